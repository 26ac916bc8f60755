"""What a curator is told, and can take back: notices, dropped rows that lie in a selection."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_page_filters import open_link
from test_page_map import app as _app
from test_page_map import listed, panel, search, tick
from test_pages import button, clicked_cell, finish, open_app, said, texts

from core.cluster_edits import default_title, rename_cluster
from core.clusters import load_clusters
from core.decisions import decide, load_decisions, undo
from core.features import load_features
from core.jobs import Step
from core.lasso import inside
from core.mapevent import MapEvent
from core.project import Project
from core.search import find_rows
from core.vectors import import_features
from core.view_link import selected_rows
from pages.map import _on_event as on_map
from pages.ui import mapview, notice, strip
from pages.ui.errand import _Errand as Errand
from pages.ui.mapview import apply_event, cluster_step, ground
from pages.ui.selection import RowSelection, beside, select_rows, selected, stored, turn_round
from pages.ui.state import ProjectView

pytestmark = pytest.mark.filterwarnings("ignore")
app = _app


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def press_notice(app):
    """As the component does when its button is pressed."""
    app.session_state["notice-pressed"] = app.session_state["notice"]
    app.run()
    assert not app.exception
    finish(app)


def ticked_titles(app):
    table = listed(app)
    return {row["title"] for row in table["rows"] if row["number"] in table["ticked"]}


def test_undo_takes_back_what_was_done_last_an_edit_or_a_decision(app, project):
    decide(project, 240, "drop", np.arange(5), "test")
    tick(app, 0)
    title = next(box for box in app.text_input if str(box.key).startswith("title-"))
    title.set_value("My rows")
    app.button(key=f"{title.key}-save").click().run()
    finish(app)
    assert "My rows" in load_clusters(project).titles
    app.button(key="undo").click().run()
    finish(app)
    assert "My rows" not in load_clusters(project).titles
    assert load_decisions(project, 240).dropped.sum() == 5
    app.button(key="undo").click().run()
    assert not load_decisions(project, 240).dropped.any()


def test_after_a_split_its_parts_are_ticked_and_after_a_merge_what_it_made(app, project):
    tick(app, 0)
    before = load_clusters(project).titles
    number = int(np.argmax(load_clusters(project).sizes))
    next(one for one in app.button if str(one.key).startswith("split-")).click().run()
    finish(app)
    made = load_clusters(project)
    parts = [number, len(before)]
    assert ticked_titles(app) == {made.titles[one] for one in parts}
    assert "60 rows selected" in texts(app)
    assert said(app).startswith(f"Split “{before[number]}” into “{made.titles[number]}” (")
    assert said(app).endswith(f" and “{made.titles[-1]}” ({made.sizes[-1]} rows).")

    merged = default_title(made, parts)
    [one for one in app.button if one.label == "Merge"][-1].click().run()
    finish(app)
    assert ticked_titles(app) == {merged} and "60 rows selected" in texts(app)
    assert said(app) == f"Merged into “{merged}” (60 rows)."

    press_notice(app)
    assert load_clusters(project).titles == made.titles
    assert ticked_titles(app) == {made.titles[one] for one in parts}
    assert said(app).startswith("Taken back: merging “") and app.session_state["notice"].way is None
    app.button(key="undo-edit").click().run()
    finish(app)
    assert load_clusters(project).titles == before
    assert ticked_titles(app) == {before[number]}
    assert said(app) == f"Taken back: splitting “{before[number]}” (60 rows)."


def test_an_edit_is_not_taken_back_while_another_one_is_made(app, project):
    made = rename_cluster(project, 0, "Mine").fingerprint
    app.run()
    app.session_state["notice"] = notice.Notice("1", "Renamed.", "edit", made)
    app.session_state["errand"] = Errand("Merging", lambda: None, lambda found: None)
    app.run()
    assert app.button(key="undo").disabled
    app.session_state["notice-pressed"] = app.session_state["notice"]
    app.run()
    assert "undo this one when it is done" in said(app)
    assert load_clusters(project).titles[0] == "Mine"


def test_an_edit_that_another_one_followed_is_not_taken_back_by_its_notice(app, project):
    tick(app, 0)
    next(one for one in app.button if str(one.key).startswith("split-")).click().run()
    finish(app)
    rename_cluster(project, 0, "Elsewhere")
    press_notice(app)
    assert "Elsewhere" in load_clusters(project).titles and len(load_clusters(project).edits) == 2


def test_a_decision_is_taken_back_and_put_back_where_it_is_told(app, project):
    search(app, "Words", "galaxy")
    button(app, "Drop 60").click().run()
    assert said(app) == "Dropped 60 rows."
    press_notice(app)
    assert said(app) == "Taken back: dropped 60 rows."
    assert not load_decisions(project, 240).dropped.any()
    press_notice(app)
    assert said(app) == "Put back: dropped 60 rows."
    assert load_decisions(project, 240).dropped.sum() == 60
    app.button(key="undo").click().run()
    app.button(key="redo").click().run()
    assert said(app) == "Put back: dropped 60 rows."  # and not what the undo said
    decide(project, 240, "drop", [0], "another window")
    press_notice(app)
    assert load_decisions(project, 240).dropped.sum() == 61


def test_undo_and_redo_say_of_what(app, project):
    decide(project, 240, "drop", np.arange(35), "map lasso")
    app.run()
    assert "dropped 35 rows" in app.button(key="undo").help
    app.button(key="undo").click().run()
    assert "dropped 35 rows" in app.button(key="redo").help
    app.button(key="redo").click().run()
    panel(app, "History")
    assert app.dataframe[0].value["what"].tolist() == [
        "Redo: dropped 35 rows",
        "Undo: dropped 35 rows",
        "Dropped 35 rows",
    ]


def test_undo_takes_back_only_what_the_button_promised(app, project):
    decide(project, 240, "drop", np.arange(35), "map lasso")
    app.run()
    decide(project, 240, "drop", np.arange(50, 57), "another window")
    app.button(key="undo").click().run()
    assert said(app).startswith("Nothing was undone") and "dropped 7 rows" in said(app)
    assert load_decisions(project, 240).dropped.sum() == 42
    app.button(key="undo").click().run()
    assert said(app) == "Taken back: dropped 7 rows."
    assert load_decisions(project, 240).dropped.sum() == 35


def test_undo_pressed_twice_before_the_page_was_drawn_again(project, monkeypatch):
    """The second press still comes from the strip of before the first one."""
    for first in (0, 10):
        decide(project, 240, "drop", np.arange(first, first + 10), "test")
    session = {}
    monkeypatch.setattr(strip.st, "session_state", session)
    shown = ProjectView(project)
    strip._promise(shown.decisions)
    for _ in range(2):
        strip._press(shown, "undo")
        assert session["notice"].text == "Taken back: dropped 10 rows."
    assert not load_decisions(project, 240).dropped.any()


@pytest.fixture
def view(project, monkeypatch):
    """Of a project with a few dropped rows; session state is a plain dict."""
    decide(project, 240, "drop", np.arange(0, 240, 4), "test")
    monkeypatch.setattr(mapview.st, "session_state", {})
    return ProjectView(project)


def lasso(view, low, high, op="replace"):
    """Draw a box between two shares of the map; return the rows in it."""
    points = ground(view).points
    x0, y0 = points.min(0) + np.array(low) * np.ptp(points, axis=0)
    x1, y1 = points.min(0) + np.array(high) * np.ptp(points, axis=0)
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    apply_event(view, MapEvent(1, "box", op, polygon=corners))
    return set(inside(points, np.array(corners)).tolist())


def test_a_lasso_selects_kept_rows_and_can_be_turned_to_the_dropped_ones(view):
    gone = set(range(0, 240, 4))
    left = lasso(view, (-0.1, -0.1), (0.5, 1.1))
    right = lasso(view, (0.5, -0.1), (1.1, 1.1))
    assert left & gone and right & gone and left - gone and right - gone
    assert set(selected(view).rows.tolist()) == right - gone
    assert beside(view) == len(right & gone)
    turn_round(view)
    assert set(selected(view).rows.tolist()) == right & gone and selected(view).dropped
    assert beside(view) == len(right - gone)
    # What is added to dropped rows, or taken away, are dropped rows.
    added = lasso(view, (-0.1, -0.1), (0.5, 1.1), "add")
    assert set(selected(view).rows.tolist()) == (right | added) & gone
    lasso(view, (0.5, -0.1), (1.1, 1.1), "subtract")
    assert set(selected(view).rows.tolist()) == left & gone - right
    # A new one begins with the kept rows.
    lasso(view, (-0.1, -0.1), (1.1, 1.1))
    assert not selected(view).dropped and len(selected(view).rows) == 180


def test_a_lasso_or_title_with_dropped_rows_alone_selects_those(view):
    decide(view.project, 240, "drop", np.flatnonzero(view.clusters.labels == 2), "test")
    view = ProjectView(view.project)
    apply_event(view, MapEvent(1, "cluster", cluster=2))
    assert selected(view).dropped and len(selected(view).rows) == 60 and beside(view) == 0
    x, y = ground(view).points[view.clusters.labels == 2].T
    ((x0, x1), (y0, y1)) = ((one.min(), one.max()) for one in (x, y))
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    apply_event(view, MapEvent(2, "lasso", polygon=corners))
    rows = stored(view).rows
    assert selected(view).dropped == view.decisions.dropped[rows].all()


def test_a_selection_is_dropped_from_the_map_itself_but_not_one_of_dropped_rows(view):
    on_map(view, MapEvent(1, "drop"))  # nothing is selected
    on_map(view, MapEvent(2, "cluster", cluster=2))
    on_map(view, MapEvent(3, "drop"))
    gone, view = view.decisions.dropped, ProjectView(view.project)
    assert (view.decisions.dropped == gone | (view.clusters.labels == 2)).all()
    assert len(view.decisions.log) == 2
    assert view.decisions.log[-1].origin.startswith("cluster ") and selected(view) is None
    on_map(view, MapEvent(4, "cluster", cluster=2))
    assert selected(view).dropped
    on_map(view, MapEvent(5, "drop"))
    assert len(ProjectView(view.project).decisions.log) == 2


@pytest.mark.parametrize("many", [False, True])
def test_the_address_of_a_selection_that_was_turned_round_selects_no_more(view, monkeypatch, many):
    """A search found kept rows; the same search among the dropped ones finds others."""
    if many:
        monkeypatch.setattr("pages.ui.selection._NAMED", 3)
    project, clusters = view.project, view.clusters
    found = find_rows(project, "galaxy")
    select_rows(view, found.rows, "search", by=("words", "galaxy"))
    other = int(clusters.labels[0])
    rows = np.flatnonzero(clusters.labels == other)
    select_rows(view, rows, "cluster", "add", by=cluster_step(view, [other]))
    turn_round(view)
    shown = selected(view).rows
    assert len(shown) == 15 and not set(shown.tolist()) & set(found.rows.tolist())
    steps = stored(view).steps
    if many:
        assert not steps
    else:
        points = ground(view).points
        assert selected_rows(project, steps, points, clusters, dropped=True).tolist() == list(shown)
    turn_round(view)
    assert set(selected(view).rows.tolist()) == {*found.rows, *rows} - set(shown.tolist())


def test_dropped_rows_are_in_the_address(app, project, mapped_root, monkeypatch):
    decide(project, 240, "drop", np.arange(58, 66), "test")
    app.run()
    tick(app, *range(4))
    assert "232 rows selected" in texts(app)
    assert button(app, "8 dropped").help.startswith("8 dropped rows lie there, too.")
    app.button(key="turn-round").click().run()
    assert "8 dropped rows selected" in texts(app) and button(app, "232 kept")
    address = app.query_params
    assert address["of"] == "dropped"
    params = {name: address[name] for name in ("sel", "of")}
    again = open_link(mapped_root.parent, monkeypatch, **params)
    assert "8 dropped rows selected" in texts(again)
    button(again, "Restore 8").click().run()
    assert not load_decisions(project, 240).dropped.any()


def test_a_decision_that_another_window_undid_is_not_told_any_more(app, project):
    app.session_state["selection"] = RowSelection(str(project.root), np.arange(10), "test")
    app.run()
    button(app, "Drop 10").click().run()
    assert said(app) == "Dropped 10 rows."
    undo(project, 240)
    app.run()
    assert "notice" not in app.session_state


def test_undo_of_a_drop_selects_the_rows_again(app, project):
    search(app, "Words", "galaxy")
    button(app, "Drop 60").click().run()
    assert "Nothing selected" in texts(app)
    app.button(key="undo").click().run()
    assert "60 rows selected" in texts(app) and "60 of 240" not in texts(app)
    button(app, "Drop 60").click().run()
    search(app, "Condition", "row < 3")
    app.button(key="undo").click().run()
    assert "3 rows selected" in texts(app)  # nothing takes its place


def test_rows_of_a_selection_can_be_read_by_a_click(app, project):
    app.session_state["selection"] = RowSelection(str(project.root), np.arange(7, 10), "test")
    panel(app, "Rows")
    app.button(key="sample-8").click().run()
    assert not app.exception and "**Row 8**" in texts(app)


def test_dropped_rows_of_the_history_are_in_the_address(app, project, mapped_root, monkeypatch):
    decide(project, 240, "drop", np.arange(58, 66), "test")
    app.run()
    panel(app, "History")
    key = next(one.key for one in app.dataframe if str(one.key).startswith("history-"))
    app.session_state[key] = clicked_cell(0)
    app.run()
    button(app, "Show these rows").click().run()
    assert app.query_params["sel"] == "=e1"
    params = {name: app.query_params[name] for name in ("sel", "of")}
    again = open_link(mapped_root.parent, monkeypatch, **params)
    assert "8 dropped rows selected" in texts(again)


def test_a_search_within_dropped_rows_finds_dropped_rows(app, project):
    decide(project, 240, "drop", np.arange(58, 66), "test")
    app.run()
    panel(app, "History")
    button(app, "Select the 8 dropped rows").click().run()
    app.checkbox(key="find-within").check().run()
    search(app, "Condition", "row % 2 = 0")
    assert "4 dropped rows selected" in texts(app)
    search(app, "Condition", "row < 5")
    assert "None of the 4 selected rows meets “row < 5”." in texts(app)


def test_a_notice_of_another_project_is_not_shown(app, mapped_root):
    import shutil

    shutil.copytree(mapped_root, mapped_root.parent / "other")
    search(app, "Words", "galaxy")
    button(app, "Drop 60").click().run()
    assert said(app)
    app.selectbox(key="project").set_value("other").run()
    assert not app.exception and notice._KEY not in app.session_state


def test_the_pool_page_says_what_other_features_leave_as_it_is(
    project, mapped_root, monkeypatch, tmp_path
):
    app = open_app(mapped_root.parent, monkeypatch, "pool")
    assert "stay" not in texts(app)
    decide(project, 240, "drop", np.arange(35), "test")
    for label in ("odd", "long"):
        decide(project, 240, "tag", np.arange(40, 43), "test", label=label)
    rename_cluster(project, 0, "Mine")
    app.run()
    decided = "Decisions on rows stay whatever the features: 35 dropped, 3 tagged."
    assert f"{decided} 1 edit of the clusters belongs to the features in use" in texts(app)
    # A job that this window watched puts other features in use.
    vectors = load_features(project).vectors[:, ::-1].copy()
    np.save(tmp_path / "other.npy", vectors)
    job = SimpleNamespace(
        id="1", title="Improve the map", alive=False, steps=[Step("upgrade")],
        state=SimpleNamespace(status="done"),
    )  # fmt: skip
    import_features(project, tmp_path / "other.npy")
    monkeypatch.setattr("pages.ui.strip.jobs.list_jobs", lambda *_, **__: [job])
    app.session_state["alive"] = ["1"]
    app.run()
    assert said(app) == (
        f"Improve the map: done. {decided} 1 edit of clusters stays with earlier features."
    )
    app.session_state["notice"] = None
    app.run()  # once
    assert app.session_state["notice"] is None
