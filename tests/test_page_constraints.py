"""The constraints of the Select page: switches, the table of limits, what is handed to `select`."""

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.errors import InputError
from core.project import Project
from core.runs import select
from core.selection.constraints import Limit
from pages.ui.constraints import limits_of

pytestmark = pytest.mark.filterwarnings("ignore")


def draw(root):
    import streamlit as st

    from core.project import Project
    from pages.ui.constraints import render_constraints
    from pages.ui.state import ProjectView

    st.session_state["options"] = render_constraints(ProjectView(Project.open(root)))


def table(*lines):
    return pd.DataFrame(lines, columns=["group", "fewest", "most"]).astype(
        {"group": "string", "fewest": "Int64", "most": "Int64"}
    )


@pytest.fixture
def app(mapped_root):
    found = AppTest.from_function(draw, kwargs={"root": str(mapped_root)}, default_timeout=60)
    found.run()
    assert not found.exception, found.exception
    return found


def test_nothing_is_constrained_at_first(app):
    assert app.session_state["options"] == {}
    assert not app.slider and not any(one.value.startswith("C") for one in app.caption)


def test_the_switches_give_a_cosine(app):
    app.toggle(key="max_cosine-on").set_value(True).run()
    assert app.session_state["options"] == {"max_cosine": 0.95}
    app.slider(key="max_cosine-cosine").set_value(0.8).run()
    app.toggle(key="semdedup-on").set_value(True).run()
    assert app.session_state["options"] == {"max_cosine": 0.8, "semdedup": 0.95}
    assert app.caption[-1].value == ("Constraints: no two rows above cosine 0.80; SemDeDup at 0.95")
    app.toggle(key="max_cosine-on").set_value(False).run()
    assert app.session_state["options"] == {"semdedup": 0.95}


def test_the_table_gives_limits_that_select_takes(app, mapped_root, monkeypatch):
    offered = {}

    def edited(empty, *, column_config, **_):
        offered["of"] = column_config["group"]["type_config"]["options"]
        assert list(empty.columns) == ["group", "fewest", "most"] and empty.isna().all(axis=None)
        return table(("cooking", None, 2), ("each cluster", 3, None), (None, 1, 2))

    monkeypatch.setattr(st, "data_editor", edited)
    app.run()
    assert "Constraints: at most 2 of source cooking; at least 3 of each cluster" in [
        caption.value for caption in app.caption
    ]
    options = app.session_state["options"]
    assert options == {"limits": ["source:cooking=..2", "cluster=3.."]}
    assert [str(name).split(" ·")[0] for name in offered["of"]] == [
        "each source", "each cluster", "astronomy", "cooking", "football", "python", "cluster 0",
        "cluster 1", "cluster 2", "cluster 3",
    ]  # fmt: skip
    with pytest.raises(InputError, match="cluster and source cannot be met together"):
        select(Project.open(mapped_root), method="random", budget=20, **options)
    options["limits"] = options["limits"][:1]
    report = select(Project.open(mapped_root), method="random", budget=20, **options)
    assert report.sources["cooking"] <= 2


def test_a_line_that_cannot_be_is_said(app, monkeypatch):
    monkeypatch.setattr(st, "data_editor", lambda *_, **__: table(("each source", 5, 2)))
    app.run()
    assert app.session_state["options"] == {}
    assert "asks for more rows than it allows" in app.error[0].value


def test_lines_without_a_group_or_a_number_do_not_count():
    groups = {"each source": "source", "source a=b:c": "source:a=b:c"}
    lines = table(("source a=b:c", 0, 9), ("each source", None, None), (None, 1, None))
    assert limits_of(lines, groups) == ["source:a=b:c=0..9"]
    assert Limit.parse("source:a=b:c=0..9").group == "a=b:c"
