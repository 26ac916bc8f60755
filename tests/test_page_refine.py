"""The Refine page with Streamlit's AppTest: what it shows, and what it asks of the engine."""

import json
import sys
import time

import numpy as np
import pytest
from test_pages import button, open_app, said, texts, wait_for_jobs

from core import jobs
from core.decisions import load_decisions
from core.project import Project
from core.refinement import loop
from core.refinement.history import history_of
from core.refinement.names import refinement_names
from core.refinement.registry import SCORERS, TRAINERS
from core.refinement.store import open_refinement
from core.runs import list_runs, load_run
from core.stages import run_stage

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = 240


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def start(project, name="r", **options):
    return loop.start(project, name=name, **{"budget": 30, "seed": 3, **options})


def open_refine(project, monkeypatch):
    return open_app(project.root.parent, monkeypatch, "refine")


def press(app, label):
    button(app, label).click().run()
    assert not app.exception, app.exception


def choose(app, label, value):
    next(one for one in app.selectbox if one.label == label).set_value(value).run()
    assert not app.exception, app.exception


def table(app, column):
    return next(one.value for one in app.dataframe if column in one.value.columns)


def finish(app, project):
    job = wait_for_jobs(project.root)
    assert job.state.status == "done", (job.state, job.log())
    app.run()
    assert not app.exception, app.exception


def test_an_address_with_a_refinement_that_is_not_here_says_so(project, monkeypatch):
    start(project)
    home = project.root.parent
    app = open_app(home, monkeypatch, "refine", params={"name": "gone"})
    assert "'name=gone'" in said(app)
    assert app.selectbox(key="refinement").value == "r"
    assert app.query_params["name"] == "r"
    app = open_app(home, monkeypatch, "refine", params={"name": "r"})
    assert "notice" not in app.session_state


def test_without_a_pool_or_clusters_the_page_says_what_to_do(tmp_path, planted_files, monkeypatch):
    assert "No pool yet" in texts(open_app(tmp_path, monkeypatch, "refine", project=None))
    root = tmp_path / "home" / "bare"
    run_stage("init", root, {"files": [str(planted_files / "pool.jsonl")]})
    opened = open_app(root.parent, monkeypatch, "refine", project="bare")
    assert "No features yet" in texts(opened)
    run_stage("embed", root, {"features": str(planted_files / "features.npy")})
    opened = open_app(root.parent, monkeypatch, "refine", project="bare")
    assert "No clusters yet" in texts(opened)


def test_the_form_starts_what_it_says(project, monkeypatch):
    app = open_refine(project, monkeypatch)
    shown = texts(app)
    assert "Draws 4 rows by the weights of 4 clusters" in shown and "Trains nothing" in shown
    assert "A few seconds, once, to read the pool" in shown
    next(one for one in app.number_input if one.label == "Rows").set_value(30).run()
    next(one for one in app.number_input if one.label == "Rounds").set_value(4).run()
    assert "Draws about 7 rows" in texts(app)
    choose(app, "Scored by", "perplexity")
    trainers = next(one for one in app.selectbox if one.label == "Trained")
    assert trainers.value == "proxy" and "No training" not in trainers.options
    shown = texts(app)
    assert "a round to train, on two cores" in shown and "scoring takes is not known" in shown
    assert "up to 256 tokens to each of 7 rows" in shown and "The first round tells" in shown
    choose(app, "Trained", "manual")
    assert "a round waits is up to you" in texts(app)
    choose(app, "Scored by", "coherence")
    assert next(one for one in app.selectbox if one.label == "Trained").value == "none"
    press(app, "Start")
    plan = open_refinement(project, "refined").plan
    assert (plan.budget, plan.rounds, plan.scorer, plan.trainer) == (30, 4, "coherence", "none")
    assert "0 of 4 rounds done · 0 of 30 rows" in texts(app).replace("**", "")
    assert not list_runs(project)


def test_a_name_that_is_taken_or_a_missing_quality_is_said_before_the_start(project, monkeypatch):
    start(project, "taken")
    app = open_refine(project, monkeypatch)
    press(app, "New")
    next(one for one in app.text_input if one.label == "Name").set_value("taken").run()
    assert button(app, "Start").disabled and "taken" in app.warning[0].value
    next(one for one in app.text_input if one.label == "Name").set_value("free").run()
    next(one for one in app.segmented_control if one.label == "Within a cluster").set_value(
        "kmq"
    ).run()
    choose(app, "Quality", "score")
    press(app, "Start")
    plan = open_refinement(project, "free").plan
    assert (plan.within, plan.quality) == ("kmq", "score")


def test_kmq_goes_by_soundness_where_no_column_says_what_is_good(project, monkeypatch):
    app = open_refine(project, monkeypatch)
    next(one for one in app.segmented_control if one.label == "Within a cluster").set_value(
        "kmq"
    ).run()
    assert not app.warning and not button(app, "Start").disabled
    press(app, "Start")
    plan = open_refinement(project, "refined").plan
    # Its scores lie close together: they are drawn by with the temperature of "auto".
    assert (plan.quality, plan.quality_file, plan.temperature) == ("score:soundness", None, 0.5)
    press(app, "New")
    choose(app, "Quality", "score:coherence")
    next(one for one in app.slider if one.label == "Temperature").set_value(0.2).run()
    press(app, "Start")
    plan = open_refinement(project, sorted(refinement_names(project))[-1]).plan
    assert (plan.quality, plan.temperature) == ("score:coherence", 0.2)


def test_another_refinement_is_planned_beside_one_at_work(project, monkeypatch):
    line = f'{sys.executable} -c "import time; time.sleep(60)"'
    start(project, trainer="command", trainer_options={"command": line}, scorer="import")
    app = open_refine(project, monkeypatch)
    press(app, "Step")
    assert "at work" in button(app, "Run all").help
    press(app, "New")
    assert "“Refine r, round 1” is at work" in app.info[0].value.replace("\\", "")
    assert button(app, "Start").disabled
    next(one for one in app.text_input if one.label == "Name").set_value("second").run()
    next(one for one in app.number_input if one.label == "Rounds").set_value(2).run()
    assert not app.exception and "Each of 2 rounds" in texts(app)
    jobs.cancel(jobs.list_jobs(project)[0])
    wait_for_jobs(project.root)
    app.run()
    assert not app.info
    press(app, "Start")
    assert open_refinement(project, "second").plan.rounds == 2


def test_a_server_that_others_can_open_runs_no_commands(project, monkeypatch):
    app = open_refine(project, monkeypatch)

    def options(label):
        return next(one for one in app.selectbox if one.label == label).options

    assert "Command" in options("Trained") and "Judge" in options("Scored by")
    choose(app, "Trained", "command")
    assert button(app, "Start").disabled and "Command is missing" in texts(app)
    monkeypatch.setattr("pages.ui.refine_setup.is_private", lambda: False)
    app.run()
    assert not {TRAINERS[one].label for one in ("command", "lora")} & {*options("Trained")}
    assert not {SCORERS[one].label for one in ("judge", "reward")} & {*options("Scored by")}


def test_a_judge_says_what_is_sent_and_what_it_may_ask(project, monkeypatch):
    app = open_refine(project, monkeypatch)
    choose(app, "Scored by", "judge")
    assert button(app, "Start").disabled and "Address is missing" in texts(app)
    for label, value in (("Address", "http://127.0.0.1:9/v1"), ("Model", "m")):
        next(one for one in app.text_input if one.label == label).set_value(value).run()
    assert "About 4 calls" in texts(app) and "texts of the rows are sent" in texts(app)
    next(one for one in app.number_input if one.label == "Most calls").set_value(2).run()
    assert "more than the most calls" in texts(app)


def test_rounds_weights_rows_and_rivals(project, monkeypatch):
    start(project)
    app = open_refine(project, monkeypatch)
    press(app, "Step")
    finish(app, project)
    assert loop.status(project, "r").round == 1
    press(app, "Run all")
    finish(app, project)
    found = history_of(project, "r")
    assert found.report.state == "finished" and button(app, "Step").disabled
    assert button(app, "Double").disabled and "No round is left to draw" in texts(app)
    assert "All rounds are done" in button(app, "Step").help
    listed = table(app, "course")
    order = np.argsort(-found.weights_now, kind="stable")
    assert listed["title"].tolist() == [found.clusters.titles[one] for one in order]
    np.testing.assert_allclose(listed["weight"], 100 * found.weights_now[order])
    np.testing.assert_allclose(np.stack(listed["course"]), 100 * found.weights[order])
    assert listed["rows"].sum() == 30
    brought = next(
        one.value for one in app.dataframe if "why" in one.value and "source" in one.value
    )
    assert set(brought["row"]) == set(open_refinement(project, "r").rounds()[2].rows)
    assert "cluster" in brought and all("its cluster (" in why for why in brought["why"])
    # Measured by a job of its own, beside the static draw and Random.
    assert "Beside static draws and Random" in texts(app)
    assert "papers' own tables" in texts(app) and "Sources gained and lost" in texts(app)
    finish(app, project)
    assert "NovelSum ↑" in texts(app)
    heads = [one.proto.columns for one in app.dataframe if "before" in one.value]
    assert len(heads) == 2
    for one in heads:
        head = json.loads(one)["before"]
        assert head["label"] == "static %" and "static k" in head["help"]
    assert jobs.list_jobs(project)[0].steps[0].options == {"action": "compare", "name": "r"}
    did = [job.steps[0].options["action"] for job in jobs.list_jobs(project)]
    assert did == ["compare", "run", "compare", "step"]
    assert load_run(project, "r").report.selected == 30


def test_a_cluster_is_opened_weighed_left_out_and_dropped(project, monkeypatch):
    start(project)
    loop.step(project, "r")
    app = open_refine(project, monkeypatch)
    found = history_of(project, "r")
    number = int(np.argsort(-found.weights_now, kind="stable")[2])
    app.session_state["refine-cluster"] = number
    app.run()
    assert f"**{found.clusters.titles[number]}**" in texts(app)
    best = next(one.value for one in app.dataframe if "round" in one.value.columns)
    mine = found.drawn.of_cluster(number)
    assert best["row"].tolist() == found.drawn.rows[mine][: len(best)].tolist()
    before = found.weights_now[number]
    press(app, "Double")
    np.testing.assert_allclose(
        history_of(project, "r").weights_now[number], 2 * before / (1 + before)
    )
    assert "By hand, for the next draw: × 2" in texts(app) and "2 times its weight" in said(app)
    press(app, "Take back")
    np.testing.assert_allclose(history_of(project, "r").weights_now, found.weights_now)
    press(app, "Leave out")
    assert history_of(project, "r").weights_now[number] == 0 and "left out" in said(app)
    press(app, "Drop")
    dropped = load_decisions(project, ROWS).dropped
    assert dropped[found.clusters.labels == number].all() and dropped.sum() == 60
    assert app.session_state["notice"].way == "undo"
    # Which it then says, without a weight and at the end of the list.
    listed, title = table(app, "course"), found.clusters.titles[number]
    assert listed["title"].tolist()[-1] == f"{title} (dropped)"
    assert listed["weight"].tolist()[-1] == 0 and listed["weight"].sum() == pytest.approx(100)
    assert "all dropped" in texts(app) and "No row of it is kept" in texts(app)
    assert button(app, "Double").disabled
    loop.step(project, "r")
    assert not dropped[load_run(project, "r").rows].any()


def test_a_server_open_to_others_loads_no_model_that_is_named(project, monkeypatch):
    start(project, trainer="lora", trainer_options={"model": "owner/name"}, scorer="perplexity")
    monkeypatch.setattr("pages.ui.refine_state.is_private", lambda: False)
    app = open_refine(project, monkeypatch)
    press(app, "Step")
    assert "loads no models" in said(app)
    assert not jobs.list_jobs(project)


def test_a_server_open_to_others_runs_no_command_that_its_owner_set_up(
    project, monkeypatch, tmp_path
):
    ran = tmp_path / "ran"
    options = {"command": f"touch {ran}"}
    start(project, trainer="command", trainer_options=options, scorer="import")
    monkeypatch.setattr("pages.ui.refine_state.is_private", lambda: False)
    app = open_refine(project, monkeypatch)
    press(app, "Step")
    assert "runs no commands" in said(app)
    assert not jobs.list_jobs(project)
    monkeypatch.setattr("pages.ui.refine_state.is_private", lambda: True)
    press(app, "Step")
    wait_for_jobs(project.root)
    assert ran.exists()


def test_newer_jobs_do_not_hide_a_round_at_work(project, monkeypatch):
    wait = [sys.executable, "-c", "import time; time.sleep(60)"]
    options = {"command": " ".join(f"'{part}'" for part in wait)}
    start(project, trainer="command", trainer_options=options, scorer="import")
    app = open_refine(project, monkeypatch)
    press(app, "Step")
    for number in range(6):
        step = jobs.Step("compare", {"runs": [f"none{number}"]})
        jobs.start(project, f"Compare {number}", [step])
    deadline = time.monotonic() + 60
    while sum(job.alive for job in jobs.list_jobs(project)) > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    app = open_refine(project, monkeypatch)
    assert button(app, "Step").disabled and not button(app, "Pause").disabled
    press(app, "Pause")


def test_a_round_that_waits_takes_a_file(project, monkeypatch):
    start(project, trainer="manual")
    app = open_refine(project, monkeypatch)
    press(app, "Step")
    finish(app, project)
    assert "Round 1 waits." in texts(app) and "refine score" not in texts(app)
    assert button(app, "Step").disabled
    assert [one.proto.label for one in app.get("download_button")] == ["The rows of the round"]
    pending = open_refinement(project, "r").pending
    lines = ["row,score", *(f"{row},0.5" for row in pending.rows)]
    bad = "\n".join(lines[:-1]).encode()
    app.file_uploader[0].upload("scores.csv", bad, "text/csv").run()
    # Said at once, and by the name that the person knows.
    said_of = f"scores.csv has no score for row {pending.rows[-1]}"
    assert app.error[0].value.replace("\\", "").startswith(said_of)
    assert button(app, "Go on with it").disabled and len(jobs.list_jobs(project)) == 1
    app.file_uploader[0].upload("scores.csv", "\n".join(lines).encode(), "text/csv").run()
    assert not app.error and "A score for each of 10 rows, from 0.5 to 0.5." in texts(app)
    assert loop.status(project, "r").state == "waiting"
    press(app, "Go on with it")
    finish(app, project)
    assert loop.status(project, "r").round == 1


def test_a_failed_round_says_why_and_how_to_go_on(project, monkeypatch):
    start(project, trainer="command", trainer_options={"command": "false"}, scorer="import")
    app = open_refine(project, monkeypatch)
    press(app, "Run all")
    job = wait_for_jobs(project.root)
    assert job.state.status == "failed"
    app.run()
    shown = texts(app)
    assert "failed with exit code 1" in shown and "Step tries it again" in shown
    press(app, "Dismiss")
    assert "Round 1 failed: The command failed with exit code 1" in texts(app)
    rows = open_refinement(project, "r").pending.rows
    choose(app, "To the end of", 0)
    next(one for one in app.button if one.key == "rollback").click().run()
    assert not app.exception and loop.status(project, "r").state == "ready"
    assert len(rows) == 10


def test_a_round_at_work_shows_its_log_and_can_be_paused(project, monkeypatch):
    line = f'{sys.executable} -c "import time; print(12 * 12, flush=True); time.sleep(60)"'
    start(project, trainer="command", trainer_options={"command": line}, scorer="import")
    app = open_refine(project, monkeypatch)
    press(app, "Step")
    deadline = time.monotonic() + 60
    while not any("144" in str(one.value) for one in app.code):
        assert time.monotonic() < deadline
        time.sleep(0.3)
        app.run()
    assert button(app, "Step").disabled and "at work" in texts(app)
    rows = open_refinement(project, "r").pending.rows
    press(app, "Pause")
    assert wait_for_jobs(project.root).state.status == "cancelled"
    app.run()
    assert "Round 1 was stopped. Step tries it again with the same rows" in texts(app)
    assert "cancelled" not in texts(app) and not button(app, "Step").disabled
    assert open_refinement(project, "r").pending.rows.tolist() == rows.tolist()


def test_going_back_branching_and_deleting(project, monkeypatch):
    start(project)
    loop.run(project, "r")
    app = open_refine(project, monkeypatch)
    choose(app, "To the end of", 1)
    next(one for one in app.button if one.key == "rollback").click().run()
    assert loop.status(project, "r").round == 1 and load_run(project, "r").report.selected == 10
    next(one for one in app.text_input if one.label == "Name").set_value("other").run()
    next(one for one in app.button if one.key == "branch").click().run()
    assert refinement_names(project) == ["other", "r"]
    assert app.session_state["refinement"] == "other" and "branch of r" in said(app)
    next(one for one in app.text_input if one.label == "Name").set_value("r").run()
    next(one for one in app.button if one.key == "branch").click().run()
    assert app.session_state["notice"].failed
    next(one for one in app.button if one.key == "refine-delete").click().run()
    assert refinement_names(project) == ["r"] and not app.exception
    assert [run.id for run in list_runs(project)] == ["r"]


def test_what_was_started_on_another_pool_says_so_and_can_be_deleted(project, monkeypatch):
    start(project)
    plan = open_refinement(project, "r").folder / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"pool": "gone"}))
    app = open_refine(project, monkeypatch)
    assert "was started on another pool" in app.error[0].value
    next(one for one in app.button if one.key == "refine-delete").click().run()
    assert not refinement_names(project) and "A new refinement" in texts(app)
