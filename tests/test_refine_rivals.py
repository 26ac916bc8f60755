"""A refinement beside the static draw of its plan and Random: as many of the same rows."""

from dataclasses import replace

import numpy as np
import pytest
from refine_kinds import ClusterScorer, CountingTrainer, kind

from core import compare_measure
from core.clusters import cluster, load_clusters
from core.compare import compare_runs
from core.decisions import decide
from core.errors import InputError
from core.features import load_features
from core.pool import Pool
from core.project import Project
from core.quality import quality_of
from core.refinement import edits, loop
from core.refinement.registry import SCORERS, TRAINERS
from core.refinement.rivals import (
    STATIC_MAY_WIN,
    beside_static,
    kmq_quality,
    mean_scores,
    static_labels,
)
from core.refinement.steps import ground_of
from core.refinement.store import open_refinement
from core.runs import list_runs, load_run, select
from core.selection import Problem, solve
from core.stages import run_stage
from core.vectors import import_features
from core.workspace import Workspace

ROWS = 240
KMQ = {"within": "kmq", "quality": "score", "temperature": 0.5}


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    monkeypatch.setitem(TRAINERS, "count", kind("count", CountingTrainer))
    monkeypatch.setitem(SCORERS, "cluster", kind("cluster", ClusterScorer))


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


@pytest.fixture
def begin(project):
    """Start the refinement r, and do some rounds."""

    def begun(rounds=2, **options):
        given = {"budget": 30, "trainer": "count", "scorer": "cluster", "seed": 3, **options}
        loop.start(project, name="r", **given)
        for _ in range(rounds):
            loop.step(project, "r")

    return begun


def _drawn(found, name):
    """The rows of one of the two sets that were compared."""
    pair = next(one for one in found.overlaps if name in (one.first, one.second))
    own = pair.only_first if name == pair.first else pair.only_second
    return np.sort(np.r_[pair.shared, own])


@pytest.mark.parametrize(
    ("options", "rule", "label"),
    [
        (KMQ, "kmq", "static kMQ"),
        ({**KMQ, "quotas": "equal", "temperature": 0.0}, "kmq", "static kMQ"),
        ({}, "kmeans-random", "static k-means random"),
        ({"within": "closest"}, "kmeans-closest", "static k-means closest"),
    ],
)
def test_the_rival_is_the_rule_called_once_at_the_same_budget(project, begin, options, rule, label):
    begin(**options)
    found = beside_static(project, "r", stored=True)
    plan = open_refinement(project, "r").plan
    assert found.budgets == dict.fromkeys(("r", *static_labels(plan)), 20)
    assert static_labels(plan) == tuple(dict.fromkeys((label, "static kMQ")))
    assert _drawn(found, "r").tolist() == load_run(project, "r").rows.tolist()
    own = {key: options[key] for key in ("quotas", "temperature") if key in options}
    problem = Problem(
        load_features(project).vectors,
        np.arange(ROWS),
        20,
        labels=load_clusters(project).labels,
        quality=quality_of(Pool.open(project), "score"),
        seed=3,
    )
    assert _drawn(found, label).tolist() == solve(rule, problem, **own).rows.tolist()
    # And what the same rule gives as a run, which is measured but once.
    select(project, method=rule, budget=20, seed=3, quality=options.get("quality"), name="s", **own)
    assert load_run(project, "s").rows.tolist() == _drawn(found, label).tolist()
    both = compare_runs(project, ["r", "s"])
    again = beside_static(project, "r", stored=True)
    assert again.metrics[label] == both.metrics["s"]
    assert again.random["r"] == again.random[label] == both.random["r"]


@pytest.mark.parametrize("change", ["negative", "gap", "none"])
def test_a_quality_that_kmq_cannot_take_does_not_take_the_comparison_away(
    project, begin, monkeypatch, change
):
    values = Pool.open(project).numbers("score").copy()
    if change != "none":
        values[3] = -1.0 if change == "negative" else np.nan
    monkeypatch.setattr(Pool, "quality_column", lambda self: "score")
    monkeypatch.setattr(Pool, "numbers", lambda self, name, gaps=False: values)
    begin()
    found = beside_static(project, "r", stored=True)
    plan, pool = open_refinement(project, "r").plan, Pool.open(project)
    assert kmq_quality(pool, plan) == ("score" if change == "none" else "heuristic:length")
    assert found.budgets["static kMQ"] == 20


def test_mean_scores_are_those_of_the_rows(project, begin):
    begin()
    assert mean_scores(project, "r") == {}  # its scorer knows only rows of a round
    loop.start(project, name="s", budget=30, seed=3, scorer="coherence")
    loop.step(project, "s")
    plan = open_refinement(project, "s").plan
    place = ground_of(project, plan).place
    values = (
        SCORERS["coherence"].make({}, place).all_rows(Pool.open(project), progress=lambda *a: None)
    )
    found, means = beside_static(project, "s", stored=True), mean_scores(project, "s")
    assert list(means) == ["s", *static_labels(plan), ""]
    assert means[""] == pytest.approx(np.nanmean(values))
    for label in ("s", *static_labels(plan)):
        assert means[label] == pytest.approx(np.nanmean(values[_drawn(found, label)]))


def test_only_the_finished_rounds_count(project, begin):
    begin(rounds=0, **KMQ)
    with pytest.raises(InputError, match=r"r has no finished round to compare yet; .*refine step"):
        beside_static(project, "r")
    for budget in (10, 20, 30):
        loop.step(project, "r")
        assert set(beside_static(project, "r", stored=True).budgets.values()) == {budget}
    edits.rollback(project, "r", 1)
    assert set(beside_static(project, "r", stored=True).budgets.values()) == {10}
    with pytest.raises(InputError, match="No refinement 'q'"):
        beside_static(project, "q")


def test_all_three_obey_the_decisions_that_the_last_round_drew_with(project, begin):
    begin(rounds=1, **KMQ)
    first = load_run(project, "r").rows
    dropped = np.setdiff1d(np.union1d(first[:4], np.arange(180, 240)), [7, 100, 101])
    pinned = np.array([7, 100, 101])
    decide(project, ROWS, "drop", dropped, "test")
    decide(project, ROWS, "pin", pinned, "test")
    before = beside_static(project, "r", stored=True)
    free = Problem(
        None,
        np.arange(ROWS),
        10,
        labels=load_clusters(project).labels,
        quality=quality_of(Pool.open(project), "score"),
        seed=3,
    )
    assert (
        _drawn(before, "static kMQ").tolist() == solve("kmq", free, temperature=0.5).rows.tolist()
    )
    loop.step(project, "r")
    decide(project, ROWS, "drop", np.arange(100), "test")  # after the last round
    found = beside_static(project, "r")
    budget = len(load_run(project, "r").rows)
    obedient = replace(
        free, budget=budget, candidates=np.setdiff1d(np.arange(ROWS), dropped), pinned=pinned
    )
    drawn = solve("kmq", obedient, temperature=0.5).rows
    assert _drawn(found, "static kMQ").tolist() == drawn.tolist()
    assert found.budgets == {"r": budget, "static kMQ": budget}
    for rows in (_drawn(found, "r"), _drawn(found, "static kMQ"), *found.drawn.values()):
        assert not np.isin(rows, dropped).any() and np.isin(pinned, rows).all()
        assert (np.diff(rows) > 0).all() and len(rows) == found.budgets["r"]
    assert found.drawn["r"].tolist() == found.drawn["static kMQ"].tolist()
    assert found.random["r"] == found.random["static kMQ"]
    assert found.sources.kept.sum() == ROWS - len(dropped)


def test_other_features_and_clusters_in_use_change_nothing(project, begin):
    begin(**KMQ)
    made = beside_static(project, "r")
    vectors = np.random.default_rng(0).normal(size=(ROWS, 5)).astype(np.float32)
    np.save(project.root / "inputs.npy", vectors)
    import_features(project, project.root / "inputs.npy")
    cluster(project, k=7)
    again = beside_static(project, "r", stored=True)
    assert again.is_measured and again.metrics == made.metrics
    assert again.clusters.names == made.clusters.names
    assert _drawn(again, "static kMQ").tolist() == _drawn(made, "static kMQ").tolist()


def test_no_run_is_stored_and_metrics_only_when_asked_for(project, begin, monkeypatch):
    begin(**KMQ)
    calls = []
    real = compare_measure.measure
    monkeypatch.setattr(compare_measure, "measure", lambda one: calls.append(1) or real(one))
    found = beside_static(project, "r", stored=True)
    assert not (calls or found.metrics or found.random or found.is_measured)
    report = run_stage("refine", project.root, {"action": "compare", "name": "r"})
    assert report.runs == ("r", "static kMQ") and len(calls) == 7  # with five draws of Random
    found = beside_static(project, "r", stored=True)
    assert found.is_measured and len(calls) == 7
    assert list(found.metrics) == list(found.random) == ["r", "static kMQ"]
    assert found.targets == {"r": None, "static kMQ": None}
    assert Workspace(project).refine_compare("r").metrics == found.metrics and len(calls) == 7
    assert [run.id for run in list_runs(project)] == ["r"]
    assert [path.name for path in (project.root / "runs").iterdir()] == ["r"]


def test_a_script_and_a_person_read_the_same_from_the_command(project, begin, winnow, winnow_json):
    begin(**KMQ)
    values = winnow_json("refine", "compare", project.root, "--name", "r")
    found = beside_static(project, "r", stored=True)
    keys = ["runs", "targets", "random", "overlap", "sources", "clusters", "scores"]
    assert list(values) == keys
    assert values["runs"] == found.metrics
    assert values["overlap"] == {"r|static kMQ": found.overlaps[0].share}
    of_random = found.random["r"]["vendi"]
    assert values["random"]["r"]["vendi"] == [of_random.mean, of_random.sd]
    said = winnow("refine", "compare", project.root, "--name", "r", check=0).stdout
    assert said.splitlines()[0].split() == ["r", "static", "kMQ", "Random"]
    assert said.rstrip().endswith(STATIC_MAY_WIN)
    said = winnow("refine", "compare", project.root, "--name", "q", check=2)
    assert "No refinement 'q'" in said.stderr and said.stderr.count("\n") == 1
