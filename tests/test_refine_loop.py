"""The loop of a refinement: kills at any stage, drops between rounds, going back and branching."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from refine_kinds import ClusterScorer, CountingTrainer, kind

from core.cluster_edits import merge_clusters
from core.decisions import decide
from core.errors import BusyError, InputError
from core.project import Project
from core.refinement import edits, loop
from core.refinement.base import Scores
from core.refinement.registry import SCORERS, TRAINERS, default_trainer
from core.refinement.store import open_refinement
from core.replay import replay
from core.report import report_runs
from core.runs import delete_run, load_run, rows_sha256, select
from core.stages import run_stage

ROWS = 240


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    monkeypatch.setitem(TRAINERS, "count", kind("count", CountingTrainer))
    monkeypatch.setitem(SCORERS, "cluster", kind("cluster", ClusterScorer))


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def _start(project, name="r", **options):
    options = {"budget": 30, "trainer": "count", "scorer": "cluster", "seed": 3, **options}
    return loop.start(project, name=name, **options)


def _bytes(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def test_weights_move_to_the_clusters_with_the_higher_scores(project):
    start = _start(project)
    done = loop.run(project, "r")
    assert start.state == "ready" and (done.state, done.selected) == ("finished", 30)
    first, _, last = open_refinement(project, "r").rounds()
    np.testing.assert_allclose(first.weights, 0.25)
    assert done.weights[3] > 0.5 and max(done.weights[:2]) < 0.1
    assert last.update["weight"].to_pylist() == list(done.weights)
    assert np.bincount(last.labels, minlength=4)[3] > np.bincount(first.labels, minlength=4)[3]
    assert (last.report.model / "model.txt").read_text() == "30"  # went on from the ones before
    assert [one.loss for one in done.done] == [1.5, 0.75, 0.5]
    rows = np.sort(np.concatenate([one.rows for one in open_refinement(project, "r").rounds()]))
    run = load_run(project, "r")
    assert run.rows.tolist() == rows.tolist() and done.rows_sha256 == rows_sha256(rows)
    assert {why.partition(": ")[0] for why in run.table["why"].to_pylist()} == {
        "round 1",
        "round 2",
        "round 3",
    }
    with pytest.raises(InputError, match="All 3 rounds of r are finished; roll back or branch"):
        loop.step(project, "r")


STOPS = [
    "drawing rows",
    "training",
    "training half",
    "scoring",
    "scoring rows",
    "weighing clusters",
    "storing the run",
    "finishing",
]


def test_a_round_that_was_killed_comes_out_as_if_it_had_not_been(project):
    _start(project)
    for _ in range(2):
        loop.step(project, "r")
    made, run = _bytes(project.root / "refinements"), load_run(project, "r").table
    told = []
    for stop in STOPS:

        def kill(done, total, what, stop=stop):
            told.append(what)
            if what.endswith(stop):
                raise KeyboardInterrupt

        edits.rollback(project, "r", 1)
        with pytest.raises(KeyboardInterrupt):
            loop.step(project, "r", progress=kill)
        assert told[-1].endswith(stop) and loop.status(project, "r").round == 1
        loop.step(project, "r")
        again = _bytes(project.root / "refinements")
        assert made.keys() == again.keys()
        assert [name for name in made if made[name] != again[name]] == [], stop
        assert load_run(project, "r").table.equals(run)


def test_a_process_that_is_killed_leaves_a_round_that_goes_on(project, tmp_path):
    other = Project.open(shutil.copytree(project.root, tmp_path / "other"))
    script = (
        "import os, signal, sys\n"
        "from core.project import Project\n"
        "from core.refinement import loop\n"
        "def kill(done, total, what):\n"
        "    if what.endswith('storing the run'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "from core.refinement.registry import SCORERS, TRAINERS\n"
        "from refine_kinds import ClusterScorer, CountingTrainer, kind\n"
        "TRAINERS['count'] = kind('count', CountingTrainer)\n"
        "SCORERS['cluster'] = kind('cluster', ClusterScorer)\n"
        "loop.step(Project.open(sys.argv[1]), 'r', progress=kill)\n"
    )
    for one in (project, other):
        _start(one)
    tests = str(Path(__file__).parent)
    killed = subprocess.run(
        [sys.executable, "-c", script, str(other.root)],
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(tests).parent), tests])},
    )
    assert killed.returncode == -signal.SIGKILL
    assert loop.status(other, "r").state == "unfinished"
    for one in (project, other):
        loop.run(one, "r")
    assert _bytes(project.root / "refinements") == _bytes(other.root / "refinements")


def test_what_a_kill_left_of_a_write_is_swept_away(project):
    _start(project)
    folder = project.root / "refinements" / "r"
    (folder / ".pending.x1.part").mkdir()
    (folder / ".pending.x1.part" / "draw.json").write_text("{")

    def leave(done, total, what):
        if what.endswith("weighing clusters"):
            (folder / "pending" / ".scores.json.12-ab.part").write_text("[")

    loop.step(project, "r", progress=leave)
    left = [path for path in folder.rglob(".*") if path.name != "."]
    assert left == [] and loop.status(project, "r").round == 1


def test_rows_dropped_between_rounds_leave_and_are_drawn_anew(project):
    _start(project)
    loop.step(project, "r")
    first = open_refinement(project, "r").rounds()[0].rows
    decide(project, ROWS, "drop", np.r_[first[:4], np.arange(180, 240)], "test")
    decide(project, ROWS, "pin", np.array([7, 100]), "test")
    gone = np.intersect1d(first, np.r_[first[:4], np.arange(180, 240)])
    kept = len(first) - len(gone)
    report = loop.step(project, "r")
    second = open_refinement(project, "r").rounds()[1]
    assert {7, 100} <= {*second.rows.tolist(), *first.tolist()}
    assert len(second.rows) == -(-(30 - kept) // 2) and second.weights[3] == 0
    assert second.clusters["standing"][3].as_py() > 0  # it stands, should the rows come back
    assert report.done[1].lost == len(gone)
    assert second.drawn.entry == 2
    assert not set(load_run(project, "r").rows.tolist()) & set(gone.tolist())
    decide(project, ROWS, "restore", np.arange(180, 240), "test")
    done = loop.step(project, "r")
    third = open_refinement(project, "r").rounds()[2]
    assert done.selected == 30 and third.weights[3] > 0
    # Decisions at each round are in the recipe: it replays though they changed in between.
    again = replay(load_run(project, "r").recipe_path)
    assert again.same and again.rows_sha256 == done.rows_sha256
    decide(project, ROWS, "drop", load_run(project, "r").rows, "test")
    assert loop.status(project, "r").selected == 30  # a finished one stays as it is


def test_too_few_rows_or_too_many_pins_are_said_and_the_round_can_be_tried_again(project):
    _start(project)
    loop.step(project, "r")
    decide(project, ROWS, "keep", open_refinement(project, "r").rounds()[0].rows, "test")
    with pytest.raises(InputError, match=r"20 rows .* still to be drawn, and only 0 others"):
        loop.step(project, "r")
    decide(project, ROWS, "restore", np.arange(ROWS), "test")
    decide(project, ROWS, "pin", np.arange(100), "test")
    with pytest.raises(InputError, match=r"pinned rows are to come, .* has room for 20; unpin"):
        loop.step(project, "r")
    decide(project, ROWS, "unpin", np.arange(100), "test")
    assert loop.step(project, "r").round == 2


def test_going_back_and_on_gives_the_same_rounds(project):
    _start(project)
    done = loop.run(project, "r")
    made = _bytes(project.root / "refinements")
    back = edits.rollback(project, "r", 1)
    assert (back.round, back.selected, back.state) == (1, 10, "ready")
    assert len(load_run(project, "r").rows) == 10
    assert replay(load_run(project, "r").recipe_path).same
    assert loop.run(project, "r") == done
    assert _bytes(project.root / "refinements") == made
    assert edits.rollback(project, "r", 0).weights == (0.25,) * 4
    with pytest.raises(InputError, match="No run 'r'"):
        load_run(project, "r")
    with pytest.raises(InputError, match="no finished round 1; it has 0"):
        edits.rollback(project, "r", 1)


def test_a_branch_goes_its_own_way(project):
    _start(project)
    done = loop.run(project, "r")
    branch = edits.branch(project, "r", "b", 2)
    assert (branch.name, branch.round, branch.selected) == ("b", 2, 20)
    rounds = [open_refinement(project, name).rounds()[1].folder for name in ("r", "b")]
    assert _bytes(rounds[0]) == _bytes(rounds[1])
    heavier = edits.reweight(project, "b", [0], 100)
    assert heavier.weights[0] > 0.5 and sum(heavier.weights) == pytest.approx(1)
    own = loop.step(project, "b")
    last = open_refinement(project, "b").rounds()[-1]
    assert [(one.clusters, one.factor) for one in last.drawn.hand] == [("0", 100.0)]
    assert np.bincount(last.labels, minlength=4)[0] > 5
    assert own.rows_sha256 != done.rows_sha256 and loop.status(project, "r") == done
    assert (last.report.model / "model.txt").read_text() == "30"
    assert replay(load_run(project, "b").recipe_path).same
    assert edits.branch(project, "r", "c").rows_sha256 == done.rows_sha256
    edits.delete(project, "r")
    assert [one.name for one in loop.list_refinements(project)] == ["b", "c"]
    assert loop.status(project, "b") == own
    with pytest.raises(InputError, match="refinement 'b' exists already"):
        edits.branch(project, "c", "b")


def test_weights_by_hand(project):
    _start(project)
    edits.reweight(project, "r", [0, 1], 0)
    report = edits.reweight(project, "r", [2], 0.5)
    np.testing.assert_allclose(report.weights, [0, 0, 1 / 3, 2 / 3])
    for clusters, factor, sentence in (
        ([2, 3], 0, "No cluster would have a weight"),
        ([9], 1, "There is no cluster 9"),
        ([0], -1, "The factor must be"),
        ([0], np.nan, "The factor must be"),
        ([], 1, "at least one cluster"),
    ):
        with pytest.raises(InputError, match=sentence):
            edits.reweight(project, "r", clusters, factor)
    assert loop.status(project, "r") == report
    done = loop.run(project, "r")
    rounds = open_refinement(project, "r").rounds()
    np.testing.assert_allclose(rounds[0].weights, report.weights)
    assert {*np.concatenate([one.labels for one in rounds]).tolist()} == {2, 3}
    assert rounds[1].drawn.hand == () and done.weights[:2] == (0, 0)
    with pytest.raises(InputError, match="no round left to draw"):
        edits.reweight(project, "r", [0], 2)


def test_weights_by_hand_are_taken_back_and_nothing_else(project):
    _start(project)
    first = loop.step(project, "r")
    edits.reweight(project, "r", [0], 5)
    shown = loop.status(project, "r").round
    assert edits.take_back(project, "r") == first
    edits.reweight(project, "r", [0], 1e6)
    again = edits.reweight(project, "r", [0], 1e6)
    assert np.isfinite(again.weights).all() and again.weights[0] == pytest.approx(1)
    loop.step(project, "r")  # by somebody else, while a page shows the first round
    assert shown == 1 and edits.take_back(project, "r").round == 2
    with pytest.raises(InputError, match="from 0 to 1,000,000"):
        edits.reweight(project, "r", [0], 1e308)


def test_a_cluster_that_was_left_out_is_drawn_from_only_where_it_must_be_and_that_is_said(project):
    _start(project, budget=90, rounds=1)
    edits.reweight(project, "r", [1, 2, 3], 0)
    report = loop.step(project, "r")
    assert report.done[0].notes[0].startswith("30 rows come from clusters that were left out")
    assert report.selected == 90


def test_going_back_that_was_killed_half_way_is_settled_by_whoever_writes_next(
    project, monkeypatch
):
    _start(project)
    loop.run(project, "r")
    rounds = open_refinement(project, "r").rounds()
    wanted = np.sort(np.concatenate([one.rows for one in rounds[:2]]))
    with monkeypatch.context() as killed:
        killed.setattr("core.refinement.edits.settle_run", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            edits.rollback(project, "r", 2)
    assert len(load_run(project, "r").rows) == 30 and loop.status(project, "r").selected == 20
    edits.reweight(project, "r", [0], 1)
    assert load_run(project, "r").rows.tolist() == wanted.tolist()
    # And where a folder could only be renamed.
    left = open_refinement(project, "r").folder / ".round-03.old"
    left.mkdir()
    loop.step(project, "r")
    assert not left.exists()


def test_a_scorer_that_needs_a_model_is_not_started_without_a_trainer(project):
    with pytest.raises(InputError, match="perplexity needs a model; choose a trainer"):
        loop.start(project, name="r", budget=30, trainer="none", scorer="perplexity")


def test_a_trainer_that_fails_leaves_the_round_to_be_tried_again(project, monkeypatch):
    _start(project)
    well = TRAINERS["count"]

    class Failing:
        def train(self, work, *, progress):
            raise InputError("No memory.")

    monkeypatch.setitem(TRAINERS, "count", replace(well, make=lambda options, place: Failing()))
    for _ in range(2):
        with pytest.raises(InputError, match="No memory"):
            loop.step(project, "r")
    assert loop.status(project, "r").state == "unfinished"
    rows = open_refinement(project, "r").pending.rows
    monkeypatch.setitem(TRAINERS, "count", well)
    loop.step(project, "r")
    assert open_refinement(project, "r").rounds()[0].rows.tolist() == rows.tolist()


def test_scores_below_zero_and_the_papers_update(project):
    class Negative:
        def score(self, work, model, *, progress):
            return Scores(-np.ones(len(work.rows)))

    SCORERS["cluster"] = replace(SCORERS["cluster"], make=lambda options, place: Negative())
    _start(project, update="paper")
    with pytest.raises(InputError, match="paper's update needs scores of 0 or more; cluster 0"):
        loop.step(project, "r")
    assert open_refinement(project, "r").pending.scores is None


def _write(path, rows, values, name="score"):
    lines = zip(rows, values, strict=True)
    path.write_text("".join(json.dumps({"row": int(a), name: b}) + "\n" for a, b in lines))
    return path


def test_scores_are_brought(project, tmp_path):
    _start(project, trainer="manual", scorer="import", update="paper", budget=20, rounds=2)
    with pytest.raises(InputError, match="No round of r waits for anything"):
        loop.bring(project, "r", tmp_path / "s.jsonl")
    waits = loop.run(project, "r")
    assert waits.state == "waiting" and waits == loop.step(project, "r")
    pending = open_refinement(project, "r").pending
    rows = pending.rows.tolist()
    messages = [json.loads(line)["messages"] for line in Path(waits.file).read_text().splitlines()]
    assert len(messages) == 10 and [one["role"] for one in messages[0]] == ["user", "assistant"]
    before = _bytes(pending.folder)
    good = list(range(10))
    for name, text, sentence in (
        ("s.txt", "", r"is no such file; give \.csv"),
        ("no.csv", None, "There is no file"),
        ("a.csv", "", "is empty"),
        ("a.csv", "row,value\n1,2\n", "needs columns row and score, .* it has row, value"),
        ("a.csv", f"row,score\n{rows[0]},high\n", f"the score 'high' for row {rows[0]}"),
        ("a.csv", f"row,score\n{rows[0]},nan\n", f"the score 'nan' for row {rows[0]}"),
        ("a.csv", f"row,score\n{rows[0]},\n", f"the score '' for row {rows[0]}"),
        ("a.csv", "row,score\nfirst,1\n", "Line 1 of .* has the row 'first'"),
        ("a.csv", "row,score\n9999,1\n", "has row 9999, which is not of this round"),
        ("a.csv", f"row,score\n{rows[0]},1\n{rows[0]},2\n", f"has row {rows[0]} twice"),
        ("a.csv", f"row,score\n{rows[0]},1\n", f"no score for row {rows[1]} and 8 others"),
        ("a.jsonl", '{"row": 1,\n', "cannot be read"),
        ("a.json", "[1, 2]", "cannot be read"),
        ("a.parquet", "PAR1", "cannot be read"),
        ("a.jsonl", f'{{"row": {rows[0]}, "score": true}}', "the score True"),
        ("a.jsonl", f'{{"row": {rows[0]}, "score": 1{"0" * 400}}}', "the score 10+"),
        ("a.csv", f"row,score\n{rows[0]},1e101\n", r"'1e101' .*finite number of at most 1e\+100"),
        ("a.jsonl", "[" * 100_000, "line 1 is nested too deep"),
        ("a.jsonl", f'{{"row": {rows[0]}, "generation": 3}}', "the generation 3 for row"),
    ):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        for ask in (loop.check_file, loop.bring):
            with pytest.raises(InputError, match=sentence):
                ask(project, "r", path)
    for ask in (loop.check_file, loop.bring):
        with pytest.raises(InputError, match="needs scores of 0 or more"):
            ask(project, "r", _write(tmp_path / "s.jsonl", rows, [-1.0] * 10))
    whole = _write(tmp_path / "s.jsonl", rows[::-1], good[::-1])
    assert loop.check_file(project, "r", whole).scores.tolist() == good
    assert _bytes(pending.folder) == before
    report = loop.bring(project, "r", whole)
    assert report.round == 1 and report.done[0].score == 4.5
    assert open_refinement(project, "r").rounds()[0].scores.values.tolist() == good


def test_generations_are_brought_and_scored(project, tmp_path, monkeypatch):
    class Lengths:
        def score(self, work, model, *, progress):
            return Scores(
                np.array([len(work.generations[row]) for row in work.rows.tolist()], float)
            )

    monkeypatch.setitem(SCORERS, "cluster", kind("cluster", Lengths))
    _start(project, trainer="manual", rounds=1, budget=5)
    assert "Train on" in loop.step(project, "r").waiting
    rows = open_refinement(project, "r").pending.rows
    said = ["a", "bb", "", "dd", 'e"\n,e']
    with open(tmp_path / "g.csv", "w", newline="") as out:  # noqa: PTH123
        import csv

        csv.writer(out).writerows([("row", "generation"), *zip(rows, said, strict=True)])
    assert loop.bring(project, "r", tmp_path / "g.csv").state == "finished"
    made = open_refinement(project, "r").rounds()[0]
    assert made.scores.values.tolist() == [1, 2, 0, 2, 5]
    assert list(made.generations.values()) == said


def test_generations_are_refused_where_scores_are_wanted(project, tmp_path):
    _start(project, trainer="manual", scorer="import", rounds=1, budget=2)
    loop.step(project, "r")
    first, second = open_refinement(project, "r").pending.rows
    file = tmp_path / "g.csv"
    file.write_text(f"row,generation\n{first},a\n{second},b\n")
    for ask in (loop.check_file, loop.bring):
        with pytest.raises(InputError, match=r"g.csv has generations; r takes scores"):
            ask(project, "r", file)
    assert loop.status(project, "r").state == "waiting"


def test_scores_that_a_command_left_are_taken(project):
    _start(project, scorer="import", rounds=1, budget=4)
    assert loop.step(project, "r").state == "waiting"
    pending = open_refinement(project, "r").pending
    left = pending.work / "out" / "scores.jsonl"
    left.parent.mkdir()
    _write(left, pending.rows[:3], [0.5] * 3)
    with pytest.raises(InputError, match=rf"no score for row {pending.rows[3]}, 1 in all"):
        loop.step(project, "r")
    _write(left, pending.rows, [0.5] * 4)
    assert loop.step(project, "r").done[0].score == 0.5


@pytest.mark.parametrize("within", ["closest", "kmq"])
def test_other_ways_within_a_cluster_replay(project, tmp_path, within):
    scores = _write(tmp_path / "q.jsonl", range(ROWS), np.linspace(0, 1, ROWS).tolist())
    _start(project, within=within, quality_file=scores, temperature=0.5, update="ucb")
    done = loop.run(project, "r")
    assert done.selected == 30 and replay(load_run(project, "r").recipe_path).same


def test_a_recipe_that_was_changed_is_told(project, tmp_path):
    _start(project, rounds=2)
    loop.run(project, "r")
    recipe = load_run(project, "r").recipe_path
    changed = yaml.safe_load(recipe.read_text())
    changed["refinement"]["rounds"][1]["weights"] = "1 0 0 0"
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(changed))
    again = replay(tmp_path / "other.yaml")
    assert not again.same and again.why.startswith("round 2 drew other rows")
    for part, value, sentence in (
        ("weights", "1 x", r"refinement\.rounds\[1\]\.weights of the recipe cannot be used"),
        ("size", 900, "Round 2 of the recipe cannot be drawn again"),
        ("dropped", "0-999", "There is no row 999"),
        ("seed", "x", "must be a whole number"),
    ):
        broken = yaml.safe_load(recipe.read_text())
        broken["refinement"]["rounds"][1][part] = value
        (tmp_path / "broken.yaml").write_text(yaml.safe_dump(broken))
        with pytest.raises(InputError, match=sentence):
            replay(tmp_path / "broken.yaml")


def test_the_run_is_compared_reported_and_deleted(project, tmp_path):
    _start(project)
    loop.run(project, "r")
    select(project, method="random", budget=30, name="x")
    report_runs(project, ["r", "x"], out=tmp_path / "report.html")
    assert "Iterative refinement" in (tmp_path / "report.html").read_text()
    delete_run(project, "r")
    assert loop.status(project, "r").selected == 30
    with pytest.raises(InputError, match="refinement 'r' exists already"):
        select(project, method="random", budget=3, name="r")
    edits.rollback(project, "r", 3)  # makes it again
    assert len(load_run(project, "r").rows) == 30


def test_a_refinement_stays_on_its_clusters(project):
    _start(project)
    loop.step(project, "r")
    merge_clusters(project, [0, 1])
    done = loop.run(project, "r")
    assert len(done.weights) == 4 and replay(load_run(project, "r").recipe_path).same


def test_one_writer(project, tmp_path):
    _start(project)
    script = (
        "import sys\nfrom core.project import Project\n"
        "with Project.open(sys.argv[1]).writing('map'):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(project.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(BusyError, match="in use by “map”"):
        loop.step(project, "r")
    holder.communicate()
    assert loop.step(project, "r").round == 1


def test_a_stage_of_a_job(project):
    options = {"action": "start", "name": "j", "budget": 9, "trainer": "count", "scorer": "cluster"}
    run_stage("refine", project.root, options)
    assert run_stage("refine", project.root, {"action": "run", "name": "j"}).state == "finished"


def test_a_model_is_trained_without_being_asked_for_where_the_scorer_needs_one():
    assert default_trainer("coherence") == "none"
    assert default_trainer("perplexity") == "proxy"
    assert {default_trainer(scorer) for scorer in SCORERS} <= {*TRAINERS}
