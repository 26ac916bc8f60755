"""The map page's filters with AppTest; likeness, tags and two runs as it shows them."""

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from test_page_map import panel, search
from test_pages import APP, open_app, texts

from core.decisions import decide
from core.facet_columns import bars
from core.facets import AnyOf, Between, Facets, Histogram
from core.project import Project
from core.runs import select
from core.search import find_rows
from core.view_link import Step, filter_step, write_steps
from pages.ui import facet_charts
from pages.ui.facet_charts import chosen_filter, told

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def open_link(home, monkeypatch, **params):
    monkeypatch.setenv("WINNOW_PROJECTS", str(home))
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in {"project": "planted", **params}.items():
        app.query_params[name] = value
    app.run()
    app._page_hash = calc_hash("map")
    app.run()
    assert not app.exception, app.exception
    return app


def filters_in(app):
    return app.session_state["selection"].filters


def test_bars_become_a_range_and_values_come_and_go(project):
    facets = Facets(project)
    length, source = facets.column("length"), facets.column("source")
    ranged = chosen_filter({"low": 1, "high": 3}, length, None)
    assert ranged == Between("length", length.lows[1], length.highs[3])
    assert chosen_filter({"clear": True}, length, ranged) is None
    for wrong in ({"low": 3, "high": 1}, {"low": 0, "high": 99}, {"low": "0", "high": 1}, {}):
        assert chosen_filter(wrong, length, ranged) == ranged
    one = chosen_filter({"value": "cooking"}, source, None)
    two = chosen_filter({"value": "python"}, source, one)
    assert two == AnyOf("source", ("cooking", "python")) and told(two) == "cooking, python"
    assert chosen_filter({"value": "cooking"}, source, two) == AnyOf("source", ("python",))
    assert chosen_filter({"value": "cooking"}, source, one) is None
    assert chosen_filter({"value": "nowhere"}, source, two) == two


def test_filters_of_a_link_narrow_what_was_selected_and_are_cleared(
    project, mapped_root, monkeypatch
):
    filters = (Between("score", 0.3, 0.8), AnyOf("source", ("cooking", "astronomy")))
    steps = [Step("replace", "words", "galaxy"), *(filter_step(one, "within") for one in filters)]
    link = write_steps(steps)
    app = open_link(mapped_root.parent, monkeypatch, sel=link, panel="Filters")
    found = find_rows(project, "galaxy", filters=filters)
    assert f"{len(found.rows)} rows selected" in texts(app)
    assert filters_in(app) == filters and app.query_params["sel"] == link
    app.checkbox(key="find-within").check().run()
    search(app, "Condition", "row % 2 = 0")
    even = found.rows[found.rows % 2 == 0]
    assert f"{len(even)} rows selected" in texts(app) and filters_in(app) == filters
    next(one for one in app.button if one.label == "Clear filters").click().run()
    assert "30 rows selected" in texts(app) and not filters_in(app)


def test_filters_that_no_row_meets_can_be_taken_off(mapped_root, monkeypatch):
    link = write_steps([filter_step(Between("length", 1, 2))])
    app = open_link(mapped_root.parent, monkeypatch, sel=link, panel="Filters")
    assert "Nothing selected" in texts(app) and app.query_params["sel"] == link
    next(one for one in app.button if one.label == "Clear filters").click().run()
    assert "selection" not in app.session_state and "sel" not in app.query_params


def test_select_nothing_takes_filters_off(mapped_root, monkeypatch):
    link = write_steps([filter_step(AnyOf("source", ("python",)))])
    app = open_link(mapped_root.parent, monkeypatch, sel=link, panel="Filters")
    assert "60 rows selected" in texts(app)
    app.button(key="clear-selection").click().run()
    assert "Nothing selected" in texts(app) and "selection" not in app.session_state


def test_columns_that_can_only_be_refused_are_not_offered(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Filters")
    offered = app.selectbox(key="facet-add").options
    assert "score" in offered and "Turns" in offered
    # Each instruction is another one; the source is a histogram of its own.
    assert not {"instruction", "source", "source (original column)"} & set(offered)
    app.segmented_control(key="map-color").set_value("Column").run()
    options = app.selectbox(key="map-column").options
    assert "score" in options and not {"instruction", "source (original column)"} & set(options)


def test_columns_are_added_and_one_that_is_refused_is_not_offered_again(mapped_root, monkeypatch):
    monkeypatch.setattr("core.column_values.MOST_VALUES", 100)
    monkeypatch.setattr("core.usable_columns._look", lambda pool: [])
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Filters")
    for name in ("score", "instruction"):
        app.selectbox(key="facet-add").set_value(name).run()
        assert not app.exception
    assert any("different values" in str(error.value) for error in app.error)
    app.run()
    assert not app.error
    assert app.session_state["facet-columns"][str(mapped_root)] == ["score"]
    assert not {"score", "instruction"} & set(app.selectbox(key="facet-add").options)


def test_a_column_that_cannot_be_read_is_said_and_can_be_added_later(mapped_root, monkeypatch):
    st.cache_resource.clear()  # colours of the same pool that another test asked for
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "Filters")
    with monkeypatch.context() as patch:
        patch.setattr("core.facets.column_values", lambda *_: 1 / 0)
        app.selectbox(key="facet-add").set_value("score").run()
        assert not app.exception
        assert any("cannot be read" in str(error.value) for error in app.error)
        app.segmented_control(key="map-color").set_value("Column").run()
        app.selectbox(key="map-column").set_value("score").run()
        assert not app.exception and "cannot be read" in texts(app)
    monkeypatch.setattr("pages.ui.background._TRIED_AGAIN", 0.0)
    app.selectbox(key="facet-add").set_value("score").run()
    assert not app.error and not app.exception and "cannot be read" not in texts(app)
    assert app.session_state["facet-columns"][str(mapped_root)] == ["score"]


def test_likeness_lists_rows_by_their_cosine(project, mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.session_state["picked"] = 20
    panel(app, "Rows")
    next(one for one in app.button if one.label == "Like this").click().run()
    found = find_rows(project, like_rows=[20])
    shown = next(one.value for one in app.dataframe if "cosine" in one.value)
    assert shown["row"].tolist() == [20, *found.rows[:11]]
    np.testing.assert_allclose(shown["cosine"][1:], found.cosines[:11])
    again = open_link(mapped_root.parent, monkeypatch, sel=app.query_params["sel"])
    linked = next(one.value for one in again.dataframe if "cosine" in one.value)
    assert linked["row"].tolist() == shown["row"].tolist()


def test_a_cut_below_cosine_0_is_shown_and_moved(project, mapped_root, monkeypatch):
    app = open_link(mapped_root.parent, monkeypatch, sel="=K:-0.5:20")
    count = len(app.session_state["selection"].rows)
    app.session_state["cut"] = True
    app.run()
    assert not app.exception and app.slider(key="cut-cosine").value == -0.5
    app.number_input(key="cut-most").set_value(500).run()
    assert app.query_params["sel"] == "=K500:-0.5:20"
    assert len(app.session_state["selection"].rows) == count
    app.number_input(key="cut-most").set_value(None).run()
    app.segmented_control(key="cut-by").set_value("Number").run()
    app.segmented_control(key="cut-by").set_value("Cosine").run()
    every = find_rows(project, like_rows=[20], min_cosine=-0.5).cosines
    assert app.slider(key="cut-cosine").value == np.floor(100 * every[-1]) / 100


@pytest.mark.parametrize("by_ratio", [True, False])
def test_bars_of_one_ratio_say_so(by_ratio):
    values = np.random.default_rng(0).normal(size=5_000)
    lows, highs = bars(np.exp(3 * values) if by_ratio else values)
    count = np.ones(len(lows), np.int64)
    shown = facet_charts._facet(
        Histogram("x", "x", None, lows, highs, count, count, 0), None, False
    )
    assert shown["ends"][1:-1] == (["log scale"] if by_ratio else [])


def test_tags_and_two_runs_colour_the_map(project, mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "map")
    assert not {"Tag", "Two runs"} & set(app.segmented_control(key="map-color").options)
    decide(project, 240, "tag", np.arange(9), "test", label="a")
    for name in ("one", "two"):
        select(project, method="random", budget=20, name=name, seed=len(name))
    select(project, method="random", budget=30, name="three", seed=1)
    app.run()
    for color in ("Tag", "Two runs"):
        app.segmented_control(key="map-color").set_value(color).run()
        assert not app.exception
    shown = [app.selectbox(key=f"map-{place}").value for place in ("first", "second")]
    compare = open_app(mapped_root.parent, monkeypatch, "compare")
    assert shown == compare.multiselect(key="compare-runs").value == ["two", "three"]
    app.selectbox(key="map-first").set_value("one").run()
    assert app.query_params["first"] == "one" and app.query_params["second"] in ("two", "three")
    assert "one" not in app.selectbox(key="map-second").options
    # A run of the very same rows would show no difference.
    select(project, method="random", budget=30, name="same", seed=1)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.segmented_control(key="map-color").set_value("Two runs").run()
    shown = [app.selectbox(key=f"map-{place}").value for place in ("first", "second")]
    assert shown == ["two", "same"]


def test_filters_follow_tags_and_drops_made_elsewhere(project, mapped_root, monkeypatch):
    decide(project, 240, "tag", np.arange(30), "test", label="bad")
    link = write_steps([filter_step(AnyOf("tag", ("bad",)))])
    app = open_link(mapped_root.parent, monkeypatch, sel=link, panel="Filters")
    assert "30 rows selected" in texts(app)
    decide(project, 240, "untag", np.arange(5, 30), "another window", label="bad")
    app.run()
    assert "5 rows selected" in texts(app)
    decide(project, 240, "untag", np.arange(5), "another window", label="bad")
    app.run()  # nobody has the tag any more: nothing is selected, and no filter is left
    assert "Nothing selected" in texts(app) and not app.exception


def test_what_is_left_of_filtered_rows_is_never_the_whole_pool(project, mapped_root, monkeypatch):
    steps = [Step("replace", "rows", "10,11,12"), filter_step(Between("length", 0, 9e9), "within")]
    app = open_link(mapped_root.parent, monkeypatch, sel=write_steps(steps), panel="Filters")
    assert "3 rows selected" in texts(app)
    decide(project, 240, "drop", np.array([10, 11, 12]), "another window")
    app.run()
    assert "Nothing selected" in texts(app)
    next(one for one in app.button if one.label == "Clear filters").click().run()
    assert "Nothing selected" in texts(app) and not app.exception
