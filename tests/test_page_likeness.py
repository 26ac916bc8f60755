"""The cut of a likeness with AppTest, after features or decisions changed since it was ranked."""

import threading

import numpy as np
import pytest
from test_page_map import alike as _alike
from test_page_map import app as _app
from test_page_map import panel
from test_pages import button, said, texts

from core import view_link
from core.decisions import decide, undo
from core.project import Project
from core.ranking import Cut, Ranking
from core.search import find_rows
from core.stages import run_stage
from core.view_link import Step
from pages.ui import likeness
from pages.ui.selection import Ranked, RowSelection

pytestmark = pytest.mark.filterwarnings("ignore")
app, alike = _app, _alike


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def chosen(app):
    return set(app.session_state["selection"].rows.tolist())


def use_other_features(project, folder):
    """Random vectors, of which nobody knows an encoder."""
    vectors = np.random.default_rng(3).normal(size=(240, 24)).astype(np.float32)
    np.save(folder / "other.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    for stage, options in (
        ("embed", {"features": str(folder / "other.npy")}),
        ("cluster", {"k": 4}),
        ("map", {}),
    ):
        run_stage(stage, project.root, options)


def test_rows_that_were_restored_since_are_found(app, project):
    nearest = find_rows(project, like_rows=[20], limit=30).rows
    decide(project, 240, "drop", nearest, "test")
    app.session_state["picked"] = 20
    panel(app, "Rows")
    button(app, "Like this").click().run()
    app.session_state["cut"] = True
    app.run()
    undo(project, 240)
    app.run()
    shown = next(one.value for one in app.dataframe if "in" in one.value)
    every = find_rows(project, like_rows=[20], limit=239).cosines
    np.testing.assert_allclose(shown["cosine"], every[198:202])  # around the 200 nearest
    app.number_input(key="cut-rows").set_value(30).run()
    assert chosen(app) == {20, *nearest.tolist()} and not app.exception


def test_other_features_rank_anew(alike, project, tmp_path):
    use_other_features(project, tmp_path)
    alike.run()
    alike.number_input(key="cut-rows").set_value(30).run()
    assert chosen(alike) == {20, *find_rows(project, like_rows=[20], limit=30).rows.tolist()}
    alike.segmented_control(key="cut-by").set_value("Cosine").run()
    floor = alike.slider(key="cut-cosine").value
    found = find_rows(project, like_rows=[20], min_cosine=floor).rows
    assert chosen(alike) == {20, *found.tolist()} and len(found) >= 30


def test_a_cut_waits_for_a_ranking_that_takes_long(alike, project, monkeypatch):
    decide(project, 240, "drop", [0], "another window")
    go_on = threading.Event()

    def slow(*args, **options):
        assert go_on.wait(60)
        return view_link.follow_steps(*args, **options)

    monkeypatch.setattr(likeness, "follow_steps", slow)
    monkeypatch.setattr(likeness, "_WAIT_SECONDS", 0.01)
    try:
        alike.run()
        assert "Ranking the rows anew" in texts(alike)
        alike.number_input(key="cut-rows").set_value(30).run()
        assert alike.number_input(key="cut-rows").value == 30 and len(chosen(alike)) == 201
    finally:
        go_on.set()
    monkeypatch.setattr(likeness, "_MORE_SECONDS", 60)
    alike.run()
    assert chosen(alike) == {20, *find_rows(project, like_rows=[20], limit=30).rows.tolist()}
    assert "Ranking the rows anew" not in texts(alike) and not alike.exception


def test_what_cannot_be_ranked_anew_is_said_and_stays(alike, project):
    """As after a search by meaning, when vectors without an encoder came into use."""
    ranking = Ranking(np.arange(10), np.linspace(1, 0.1, 10, dtype=np.float32))
    step = Step("replace", "meaning", "stars", Cut(5))
    ranked = Ranked(ranking, step, "search", made=("earlier features", ""))
    root = str(project.root)
    alike.session_state["selection"] = RowSelection(root, np.arange(5), "search", ranked=ranked)
    alike.run()
    assert any("vectors were imported" in str(error.value) for error in alike.error)
    alike.number_input(key="cut-rows").set_value(7).run()
    assert "vectors were imported" in said(alike) and not alike.exception
    assert chosen(alike) == set(range(5)) and alike.number_input(key="cut-rows").value == 5
