"""The history panel with AppTest: the log, going back, notes, tags, exchange."""

import shutil

import numpy as np
import pytest
from test_page_map import panel, search
from test_pages import button, clicked_cell, open_app, texts

from core.decision_exchange import export_decisions
from core.decisions import decide, load_decisions, undo
from core.project import Project
from pages.ui import errand, history

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def pick(app, place):
    """Choose an entry of the log, the newest being 0."""
    entries = app.dataframe[0].value
    key = next(frame.key for frame in app.dataframe if str(frame.key).startswith("history-"))
    app.session_state[key] = clicked_cell(place)
    app.run()
    assert not app.exception
    return entries


def test_the_log_is_listed_and_gone_back_in(project, mapped_root, monkeypatch):
    for first in (0, 60, 120):
        decide(project, 240, "drop", np.arange(first, first + 10), f"test {first}")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "History")
    entries = pick(app, 2)
    assert entries["what"].tolist() == ["Dropped 10 rows"] * 3
    assert "test 0" in texts(app)  # where it was said, of the one that is chosen
    button(app, "Back to here").click().run()
    assert int(load_decisions(project, 240).dropped.sum()) == 10
    assert app.dataframe[0].value["what"].tolist()[:2] == [
        "Went back to entry 1",
        "(undone) dropped 10 rows",
    ]
    app.button(key="undo").click().run()
    assert int(load_decisions(project, 240).dropped.sum()) == 30


def test_there_is_no_way_back_to_where_one_is(project, mapped_root, monkeypatch):
    for first in (0, 60):
        decide(project, 240, "drop", np.arange(first, first + 10), "test")
    undo(project, 240)
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "History")
    told = pick(app, 0)["what"].tolist()
    assert told == ["Undo: dropped 10 rows", "(undone) dropped 10 rows", "Dropped 10 rows"]
    for place, here in ((0, True), (1, False), (2, True)):
        pick(app, place)
        back = button(app, "Back to here")
        assert back.disabled == here and ("are now as they were" in back.help) == here
    pick(app, 0)
    told = next(one.value for one in app.caption if one.value.startswith("Undo"))
    assert "entry 3" in told and not told.endswith("·")  # it was said nowhere: it has no origin


def test_a_note_is_kept(project, mapped_root, monkeypatch):
    decide(project, 240, "pin", np.arange(3), "test")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "History")
    assert "note" not in pick(app, 0)
    note = next(box for box in app.text_input if box.label == "Note")
    note.set_value("they are *good*").run()
    assert load_decisions(project, 240).log[0].note == "they are *good*"
    assert app.dataframe[0].value["note"].tolist() == ["they are *good*"]


def test_selected_rows_are_tagged_and_found_by_their_tag(project, mapped_root, monkeypatch):
    decide(project, 240, "tag", np.array([60]), "test", label="stars")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    search(app, "Words", "galaxy")
    assert app.button(key="decide-tag").disabled
    app.selectbox(key="tag-label").set_value("stars").run()
    app.session_state["tagging"] = True
    app.run()
    app.button(key="decide-tag").click().run()
    assert app.session_state["tagging"] is False  # the popover closes
    assert load_decisions(project, 240).tags.counts == {"stars": 60}
    assert "60 rows selected" in texts(app)  # still, for what comes next
    app.button(key="clear-selection").click().run()
    panel(app, "History")
    app.session_state["tags-1"] = clicked_cell(0)
    app.run()
    assert "60 rows selected" in texts(app)


def test_the_rows_of_an_entry_are_shown_and_dropped_ones_restored(
    project, mapped_root, monkeypatch
):
    decide(project, 240, "drop", np.arange(10), "test")
    decide(project, 240, "pin", np.arange(8, 14), "test")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "History")
    pick(app, 0)
    button(app, "Show these rows").click().run()
    assert "6 rows selected" in texts(app)
    pick(app, 1)
    button(app, "Show these rows").click().run()
    assert "8 dropped rows selected" in texts(app)  # two were pinned since
    assert not any(one.label.startswith("Drop ") for one in app.button)
    app.button(key="decide-restore").click().run()
    state = load_decisions(project, 240)
    assert not state.dropped.any() and state.log[-1].action == "restore"
    assert "Nothing selected" in texts(app)
    pick(app, 2)  # of what was dropped once nothing is dropped now
    button(app, "Show these rows").click().run()
    assert "10 rows selected" in texts(app)


def test_all_dropped_rows_are_selected_and_nothing_is_added_to_them(
    project, mapped_root, monkeypatch
):
    decide(project, 240, "drop", np.arange(60, 63), "test")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "History")
    button(app, "Select the 3 dropped rows").click().run()
    assert "3 dropped rows selected" in texts(app)
    search(app, "Words", "galaxy")
    assert "57 rows selected" in texts(app) and "dropped rows selected" not in texts(app)
    app.button(key="undo").click().run()
    assert not [one for one in app.button if "dropped rows" in one.label]


@pytest.mark.parametrize("shown", ["planted", "other"])
def test_what_came_of_reading_decisions_in_is_said_in_their_project(
    project, mapped_root, monkeypatch, tmp_path, shown
):
    decide(project, 240, "drop", np.arange(3), "test")
    shutil.copytree(mapped_root, mapped_root.parent / "other")
    app = open_app(mapped_root.parent, monkeypatch, "map")
    started = {}
    monkeypatch.setattr(errand, "start", lambda _, change, then: started.update(then=then))
    panel(app, "History")
    export_decisions(project, tmp_path / "theirs.json")
    upload = next(one for one in app.file_uploader if one.label == "Decisions of somebody else")
    upload.upload("theirs.json", (tmp_path / "theirs.json").read_bytes()).run()
    button(app, "Add them").click().run()
    app.selectbox(key="project").set_value(shown).run()
    session = {"project": app.session_state["project"]}
    monkeypatch.setattr(history.st, "session_state", session)
    started["then"]("Well.")
    assert ("notice" in session) == (shown == "planted")


def test_nothing_was_decided(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "map")
    panel(app, "History")
    assert "Nothing was decided yet" in texts(app)
