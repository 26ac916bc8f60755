"""The pages' logic with Streamlit's AppTest: what they show and what they ask of the engine."""

import json
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from core import jobs
from core.decisions import load_decisions
from core.pool import Pool
from core.project import Project
from core.records import COLUMN_ROLES
from core.runs import list_runs, load_run, select
from core.stages import run_stage
from core.targets import list_targets
from pages.ui.notice import Notice

pytestmark = pytest.mark.filterwarnings("ignore")
SECONDS = 60
APP = Path(__file__).parents[1] / "app.py"


def open_app(home, monkeypatch, page=None, project="planted", params=None):
    """The app on its first page, or on the one named, with `params` in its address."""
    monkeypatch.setenv("WINNOW_PROJECTS", str(home))
    app = AppTest.from_file(str(APP), default_timeout=SECONDS)
    if project:
        app.session_state["project"] = project
    app.run()
    if page:
        app._page_hash = calc_hash(page)  # its switch_page() knows pages that are files only
        for name, value in (params or {}).items():
            app.query_params[name] = value
        app.run()
    assert not app.exception, app.exception
    return app


def texts(app):
    parts = [*app.markdown, *app.caption, *app.subheader, *app.error, *app.warning, *app.success]
    # As a person reads it: text from data is escaped in Markdown.
    return re.sub(r"\\(.)", r"\1", "\n".join(str(part.value) for part in parts))


def clicked_cell(row):
    """What a table's key holds in session state after a click in this row."""
    return {"selection": {"rows": [], "columns": [], "cells": [[row, "any"]]}}


def said(app):
    """The notice at the foot of the window."""
    return app.session_state["notice"].text


def button(app, label):
    return next(b for b in app.button if b.label == label)


def finish(app):
    """Have the page go on until a change made beside it is done."""
    deadline = time.monotonic() + SECONDS
    while "errand" in app.session_state:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        app.run()


def wait_for_jobs(root):
    project = Project.open(root)
    deadline = time.monotonic() + SECONDS
    while any(job.alive for job in jobs.list_jobs(project)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return jobs.list_jobs(project)[0]


@pytest.mark.parametrize(
    ("page", "hint"),
    [
        ("map", "No map yet"),
        ("select", "No pool yet"),
        ("export", "No pool yet"),
        ("pool", "A new pool"),
    ],
)
def test_every_page_says_what_to_do_when_there_is_no_project(tmp_path, monkeypatch, page, hint):
    app = open_app(tmp_path, monkeypatch, page, project=None)
    assert hint in texts(app)


def test_the_pool_page_shows_what_came_in(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "pool")
    assert {m.label: m.value for m in app.metric}["Rows"] == "240"
    assert len(app.dataframe[0].value) == 25


def test_search_on_the_pool_page_finds_the_rows(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "pool")
    next(t for t in app.text_input if t.label == "Search the rows").set_value("galaxy").run()
    assert "60 rows" in texts(app)
    assert set(app.dataframe[0].value["source"]) == {"astronomy"}


def test_undo_in_the_strip_takes_a_decision_back(mapped_root, monkeypatch):
    from core.decisions import decide

    project = Project.open(mapped_root)
    decide(project, 240, "drop", np.arange(60), "test")
    app = open_app(mapped_root.parent, monkeypatch)
    assert "kept **180** of 240 (75%)" in texts(app)
    app.button(key="undo").click().run()
    app = open_app(mapped_root.parent, monkeypatch)
    assert "kept **240** of 240 (100%)" in texts(app)
    assert not load_decisions(project, 240).dropped.any()
    assert app.button(key="undo").disabled and not app.button(key="redo").disabled


@pytest.mark.parametrize("damaged", [False, True])
def test_another_project_can_be_chosen_after_going_back_to_one_without_a_map(
    mapped_root, planted_files, monkeypatch, damaged
):
    bare = mapped_root.parent / "bare"
    run_stage("init", bare, {"files": [str(planted_files / "pool.jsonl")]})
    if damaged:
        for path in bare.rglob("pool/**/meta.json"):
            path.write_text("{")
    drawn = []
    monkeypatch.setattr("pages.ui.notice._COMPONENT", lambda data, **_: drawn.append(data))
    monkeypatch.setenv("WINNOW_PROJECTS", str(mapped_root.parent))
    app = AppTest.from_file(str(APP), default_timeout=SECONDS)
    app._page_hash = calc_hash("map")
    app.query_params["project"] = "bare"
    app.session_state["travelled"] = True  # as after the browser's Back
    app.session_state["notice"] = Notice("1", "Well")
    app.run()
    assert not app.exception
    assert bool(app.error) == damaged and ("No map yet" in texts(app)) != damaged
    assert drawn[-1]["text"] == "Well"
    app.selectbox(key="project").set_value("planted").run()
    assert app.selectbox(key="project").value == app.query_params["project"] == "planted"
    assert "Nothing selected" in texts(app)


def test_what_is_open_in_one_project_is_not_in_another(mapped_root, monkeypatch):
    shutil.copytree(mapped_root, mapped_root.with_name("other"))
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.text_input(key="map-search-words").set_value("nebula").run()
    app.session_state["picked"] = 17
    app.session_state["map-panel"] = "Rows"
    app.run()
    assert "Row 17" in texts(app)
    app.selectbox(key="project").set_value("other").run()
    assert "Row 17" not in texts(app) and "Nothing selected" in texts(app)
    assert app.text_input(key="map-search-words").value == ""


@contextmanager
def job_at_work(root, title, steps, **state):
    """A job whose worker holds its lock, and does nothing."""
    folder = Project.open(root).jobs_dir / "20260101-000000"
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"title": title, "steps": [asdict(step) for step in steps], "created": 1}
    (folder / "job.json").write_text(json.dumps(spec))
    with jobs.worker_lock(folder).acquire():
        jobs.save_state(folder, jobs.JobState("running", **state))
        yield folder


@pytest.mark.parametrize(
    ("steps", "state", "told"),
    [
        (
            [jobs.Step("embed"), jobs.Step("cluster"), jobs.Step("map")],
            {"step": 1, "part": 1, "what": "finding clusters", "done": 10, "total": 40,
             "share": 0.2, "since": 100.0, "heartbeat": 110.0},
            "Part 3 of 10: Finding clusters · 30 s left · 40% in all",
        ),
        (
            [jobs.Step("select")],
            {"what": "choosing", "done": 10, "total": 40, "share": 0.25, "since": 100.0,
             "heartbeat": 105.0},
            "Selecting rows · 25% · 2/s · 15 s left",
        ),
        ([jobs.Step("refine", {"action": "compare", "name": "r"})], {"what": "refine"},
         "Comparing r"),
        ([jobs.Step("refine", {"action": "run", "name": "r"})], {"what": "refine"}, "Refining"),
        (
            [jobs.Step("refine", {"action": "run", "name": "r"})],
            {"what": "round 2: training", "done": 1, "total": 4},
            "Round 2: training · 25%",
        ),
    ],
)  # fmt: skip
def test_the_strip_says_what_works_and_which_part_of_it(
    mapped_root, monkeypatch, steps, state, told
):
    with job_at_work(mapped_root, "Work", steps, **state):
        app = open_app(mapped_root.parent, monkeypatch, "pool")
    (bar,) = app.get("progress")
    assert re.sub(r"\\(.)", r"\1", bar.proto.text) == f":small[{told}]"


def test_a_project_is_deleted_unless_a_job_works_in_it(mapped_root, monkeypatch):
    other = mapped_root.with_name("other")
    shutil.copytree(mapped_root, other)
    app = open_app(mapped_root.parent, monkeypatch, "pool", project="other")
    assert str(other) in texts(app)  # the question names the folder
    with job_at_work(other, "Compare a", [jobs.Step("compare")]) as folder:
        app.button(key="delete-project").click().run()
        assert "in use by the job “Compare a”" in said(app) and other.is_dir()
    jobs.save_state(folder, jobs.JobState("done"))
    app.button(key="delete-project").click().run()
    assert not app.exception and not other.exists()
    assert said(app) == f"The project {other} is deleted."
    assert app.session_state["project"] == "planted"
    assert {m.label: m.value for m in app.metric}["Rows"] == "240"
    app.button(key="delete-project").click().run()
    assert "A new pool" in texts(app) and not app.exception


def test_a_project_that_is_not_there_is_not_another_one(mapped_root, monkeypatch):
    monkeypatch.setenv("WINNOW_PROJECTS", str(mapped_root.parent))
    app = AppTest.from_file(str(APP), default_timeout=SECONDS)
    app.query_params["project"] = "nonesuch"
    app.run()
    assert "There is no project nonesuch here" in texts(app)
    assert "project" not in app.query_params
    app.selectbox(key="project").set_value("planted").run()
    assert "nonesuch" not in texts(app) and app.query_params["project"] == "planted"


def test_a_broken_line_among_pasted_targets_is_named(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "select")
    app.segmented_control[0].set_value("Paste").run()
    next(t for t in app.text_input if "target set" in t.label).set_value("mine").run()
    app.text_area(key="target-text").set_value('write a poem\n{"broken').run()
    app.button(key="add-pasted").click().run()
    assert "Line 2 is no valid JSON (Unterminated string starting at, character 2)" in texts(app)
    app.text_area(key="target-text").set_value('write a poem\n{"text": "sing"}').run()
    app.button(key="add-pasted").click().run()
    assert {info.name: info.rows for info in list_targets(Project.open(mapped_root))}["mine"] == 2


def test_words_searched_on_the_map_are_selected_and_pinned(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.text_input(key="map-search-words").set_value("nebula").run()
    assert "60 rows selected" in texts(app)
    button(app, "Pin").click().run()
    state = load_decisions(Project.open(mapped_root), 240)
    assert state.pinned_rows.tolist() == list(range(60, 120))
    app.text_input(key="map-search-words").set_value("no such word").run()
    assert "No kept row has “no such word”." in texts(app)


def test_groups_and_a_quality_column_are_chosen_on_the_page(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "select")
    app.selectbox(key="method").set_value("stratified").run()
    assert app.selectbox(key="by").options == [
        "source",
        "cluster",
        "instruction",
        "output",
        "score",
    ]
    button(app, "Save run").click().run()
    app.selectbox(key="method").set_value("deita").run()
    app.selectbox(key="quality").set_value("score").run()
    button(app, "Select rows").click().run()
    job = wait_for_jobs(mapped_root)
    assert job.state.status == "done", (job.state, job.log())
    assert job.steps[0].options["quality"] == "score" and "by" not in job.steps[0].options
    for method in ("qdit", "k-center", "facility-location"):
        app.selectbox(key="method").set_value(method).run()
        assert not app.exception and not app.error
        assert not button(app, "Select rows").disabled
    for method in ("kmeans-closest", "kmeans-median"):
        app.selectbox(key="method").set_value(method).run()
        assert not app.exception and not app.error
        assert not button(app, "Save run").disabled
    assert {run.report.method for run in list_runs(Project.open(mapped_root))} == {
        "stratified",
        "deita",
    }


def test_export_writes_the_file_and_shows_the_recipe(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    select(project, method="random", budget=10, name="r")
    app = open_app(mapped_root.parent, monkeypatch, "export")
    app.selectbox(key="format").set_value("openai").run()
    button(app, "Write the files").click().run()
    job = wait_for_jobs(mapped_root)
    assert job.state.status == "done", (job.state, job.log())
    app.run()
    assert "10 rows in 2 files" in texts(app)
    lines = next(mapped_root.glob("exports/r-openai-*/r.jsonl")).read_text().splitlines()
    assert len(lines) == 10
    assert any("replay" in code.value for code in app.code)
    assert load_run(project, "r").report.rows_sha256 in "".join(c.value for c in app.code)


def test_a_failed_job_is_said_and_can_be_dismissed(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    jobs.start(project, "Select badly", [jobs.Step("select", {"method": "magic", "budget": 3})])
    wait_for_jobs(mapped_root)
    app = open_app(mapped_root.parent, monkeypatch)
    assert "Unknown method 'magic'" in texts(app)
    button(app, "Dismiss").click().run()
    app = open_app(mapped_root.parent, monkeypatch)
    assert "Unknown method" not in texts(app)


def test_a_pool_that_cannot_be_read_leaves_a_way_out(tmp_path, monkeypatch):
    project = Project.create(tmp_path / "home" / "broken")
    bad = tmp_path / "bad.jsonl"
    bad.write_text("not json\n")
    jobs.start(project, "Read broken", [jobs.Step("init", {"files": [str(bad)]})])
    wait_for_jobs(project.root)
    app = open_app(tmp_path / "home", monkeypatch, "pool", project="broken")
    assert "broken has no rows" in texts(app) and "bad.jsonl" in texts(app)
    button(app, "Remove and start over").click().run()
    assert not project.root.exists() and "A new pool" in texts(app)


def test_a_path_outside_the_allowed_folders_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setattr("pages.ui.intake.is_private", lambda: False)
    app = open_app(tmp_path / "home", monkeypatch, "pool", project=None)
    next(t for t in app.text_input if "path" in t.label).set_value("/etc/passwd").run()
    assert "/etc/passwd is outside" in texts(app)


def test_why_no_row_can_be_used_is_said_of_each_kind_of_row(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "wrong.jsonl").write_text('oops\n{"a": 1}\n')
    app = open_app(tmp_path / "home", monkeypatch, "pool", project=None)
    next(t for t in app.text_input if "path" in t.label).set_value("~/wrong.jsonl").run()
    assert "- 1 row: bad JSON" in texts(app)
    assert "- 1 row: no known format fits; the columns are a: choose above which" in texts(app)
    assert "No known format fits. Which column" in texts(app)


def test_unknown_columns_are_mapped_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    rows = [{"question": f"{i} + 1?", "answer": str(i + 1), "level": i} for i in range(20)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    home = tmp_path / "home"
    app = open_app(home, monkeypatch, "pool", project=None)
    next(t for t in app.text_input if "path" in t.label).set_value("~/sums.jsonl").run()
    chosen = {box.label: box.value for box in app.selectbox if box.label in COLUMN_ROLES}
    assert (chosen["instruction"], chosen["output"]) == ("question", "answer")
    assert "Read as **alpaca**" in texts(app) and "No known format" not in texts(app)
    next(b for b in app.selectbox if b.label == "output").set_value("level").run()
    next(b for b in app.selectbox if b.label == "Format").set_value("openai").run()
    assert "None of the first 20 rows can be used" in texts(app)
    assert button(app, "Read the rows").disabled and not list(home.glob("*"))
    next(b for b in app.selectbox if b.label == "Format").set_value("auto").run()
    button(app, "Read the rows").click().run()
    job = wait_for_jobs(home / "sums")
    assert job.state.status == "done", (job.state, job.log())
    assert Pool.open(Project.open(home / "sums")).meta["columns"] == {
        "instruction": "question",
        "output": "level",
    }


def test_lengths_much_alike_have_ticks():
    from core.figures import length_histogram

    for lengths, told in (([79, 90], ["79", "90"]), ([1, 5000], ["1", "1,000"]), ([7, 7], ["7"])):
        axis = length_histogram(np.array(lengths, np.int32)).layout.xaxis
        assert set(told) <= set(axis.ticktext) and len(set(axis.ticktext)) == len(axis.ticktext)
