"""Rows drawn, and clusters weighed, by scores that are known of all rows before any round."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pools import build
from refine_kinds import ClusterScorer, CountingTrainer, kind
from refining import question_rows

from core.clusters import cluster
from core.decisions import decide
from core.errors import InputError
from core.features import embed
from core.project import Project
from core.quality import read_scores
from core.refinement import loop
from core.refinement.own_scores import as_quality
from core.refinement.quality_file import write_quality
from core.refinement.registry import SCORERS, TRAINERS
from core.refinement.rivals import beside_static, kmq_quality
from core.refinement.scorers.whole_pool import PoolScorer
from core.refinement.steps import ground_of
from core.refinement.store import open_refinement
from core.refinement.weights import ClusterScores, update_weights
from core.replay import replay
from core.runs import load_run


@pytest.fixture
def project(tmp_path):
    """Questions and answers; a third of the answers stops after two words."""
    rows = question_rows(240)
    for at in range(0, 240, 3):
        rows[at]["output"] = " ".join(rows[at]["output"].split()[:2])
    build(tmp_path, rows)
    project = Project.open(tmp_path / "project")
    embed(project, encoder="static")
    cluster(project, k=4, seed=0)
    return project


def _scores(project, tmp_path):
    report = write_quality(project, measure="soundness", out=tmp_path / "s.parquet")
    return read_scores(report.file, 240, np.arange(240))


@given(
    arrays(
        np.float64,
        st.integers(1, 40),
        elements=st.one_of(st.floats(-1e3, 1e3, width=16), st.just(float("nan"))),
    )
)
def test_quality_is_the_score_up_to_its_median_in_deviations(scores):
    found = as_quality(scores)
    known = ~np.isnan(scores)
    assert np.isfinite(found).all() and (found[~known] == 0).all()
    if known.any():
        order = np.argsort(scores[known], kind="stable")
        assert (np.diff(found[known][order]) >= 0).all()
        above = scores >= np.median(scores[known])
        assert len(set(found[above])) == 1
        assert found[known].mean() == pytest.approx(0, abs=1e-9)
        assert found[known].std() == pytest.approx(1) or not found.any()


def test_what_auto_comes_to(project, monkeypatch):
    monkeypatch.setitem(SCORERS, "cluster", kind("cluster", ClusterScorer))
    monkeypatch.setitem(TRAINERS, "count", kind("count", CountingTrainer))

    def planned(name, **options):
        loop.start(project, name=name, budget=30, **options)
        plan = open_refinement(project, name).plan
        return plan.within, plan.quality, plan.temperature

    assert planned("a") == ("kmq", "score:soundness", 0.5)
    assert planned("b", scorer="coherence", temperature=2.0) == ("kmq", "score:coherence", 2.0)
    assert planned("c", scorer="cluster", trainer="count") == ("random", None, 0.0)
    assert planned("d", within="random") == ("random", None, 0.0)
    assert planned("e", quality="heuristic:length") == ("kmq", "heuristic:length", 0.0)
    by_other = planned("f", within="kmq", quality="score:coherence", temperature=1.0)
    assert by_other == ("kmq", "score:coherence", 1.0)
    assert not (project.root / "scores").exists()  # a plan is made at once


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quality": "score:judge"}, "no column 'score:judge'"),
        ({"quality": "score:soundness"}, "score:soundness needs a temperature above 0"),
    ],
)
def test_scores_that_cannot_be_drawn_by(project, options, sentence):
    with pytest.raises(InputError, match=sentence):
        loop.start(project, name="r", budget=30, within="kmq", **options)
    assert not (project.root / "refinements" / "r").exists()


def test_clusters_are_weighed_by_all_rows_that_are_left(project, tmp_path):
    scores = _scores(project, tmp_path)
    decide(project, 240, "drop", np.array([0, 7, 100]), "test")
    loop.start(project, name="r", budget=60)
    done = loop.step(project, "r")
    refinement = open_refinement(project, "r")
    labels = ground_of(project, refinement.plan).labels
    first = refinement.rounds()[0]
    left = np.setdiff1d(np.arange(240), [*first.rows, 0, 7, 100])
    of = [left[labels[left] == number] for number in range(4)]
    counts, means, spreads = zip(
        *((len(one), scores[one].mean(), scores[one].std()) for one in of), strict=True
    )
    assert first.update["count"].to_pylist() == list(counts)
    np.testing.assert_allclose(first.update["mean"].to_numpy(), means)
    alike = np.array([(labels == number).sum() for number in range(4)], float)
    alike -= np.bincount(labels[[0, 7, 100]], minlength=4)
    expected = update_weights(
        alike / alike.sum(),
        ClusterScores(np.array(counts), np.array(means), np.array(spreads)),
        refinement.plan.rule,
    )
    np.testing.assert_allclose(done.weights, expected)


def test_low_scores_are_drawn_less_and_the_recipe_draws_the_same(project, tmp_path):
    scores = _scores(project, tmp_path)
    loop.start(project, name="blind", budget=60, within="random")
    loop.start(project, name="r", budget=60)
    for name in ("blind", "r"):
        loop.run(project, name)
    low = scores < np.quantile(scores, 0.3)
    blind, rows = (load_run(project, name).rows for name in ("blind", "r"))
    assert low[rows].mean() < low[blind].mean()
    found = replay(project.root / "runs" / "r" / "recipe.yaml")
    assert found.same, found.why
    plan = open_refinement(project, "r").plan
    assert kmq_quality(ground_of(project, plan).pool, plan) == "soundness"
    static = beside_static(project, "r")
    assert list(static.budgets)[:2] == ["r", "static kMQ"]


def test_a_plan_of_before_goes_on_by_the_rows_that_it_draws(project):
    loop.start(project, name="r", budget=60, within="random")
    file = project.root / "refinements" / "r" / "plan.json"
    stored = json.loads(file.read_text())
    assert (stored["within"], stored["quality"], stored["temperature"]) == ("random", None, 0.0)
    loop.step(project, "r")
    first = open_refinement(project, "r").rounds()[0]
    assert first.update["count"].to_pylist() == np.bincount(first.labels, minlength=4).tolist()


def test_scores_that_somebody_brings_count(project, tmp_path):
    loop.start(project, name="r", budget=60, trainer="manual")
    loop.step(project, "r")
    refinement = open_refinement(project, "r")
    rows, labels = refinement.pending.rows, refinement.pending.labels
    file = tmp_path / "brought.csv"
    file.write_text("row,score\n" + "".join(f"{row},{row % 5}\n" for row in rows))
    loop.bring(project, "r", file)
    first = open_refinement(project, "r").rounds()[0]
    means = [(rows[labels == number] % 5).mean() for number in range(4)]
    np.testing.assert_allclose(first.update["mean"].to_numpy(), means)


@pytest.mark.parametrize("stage", ["updated", "store_result"])
def test_a_round_that_is_killed_ends_as_if_it_had_not_been(project, monkeypatch, stage):
    def killed(*_, **__):
        raise KeyboardInterrupt

    for name in ("whole", "killed"):
        loop.start(project, name=name, budget=60, rounds=2)
    loop.run(project, "whole")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(f"core.refinement.steps.{stage}", killed)
        loop.step(project, "killed")
    assert loop.status(project, "killed").state == "unfinished"
    loop.run(project, "killed")
    whole, again = (loop.status(project, name) for name in ("whole", "killed"))
    assert (again.rows_sha256, again.weights) == (whole.rows_sha256, whole.weights)


def test_scores_that_the_update_refuses_of_all_rows_are_not_kept(project, monkeypatch):
    """The rows drawn may all score above 0, and the mean of those that are left below."""
    scores = np.where(np.arange(240) % 12 < 2, 0.6, -0.15)
    monkeypatch.setattr(PoolScorer, "all_rows", lambda *_, **__: scores)
    options = {"scorer": "coherence", "update": "paper", "temperature": 0.1}
    loop.start(project, name="r", budget=24, rounds=3, **options)
    with pytest.raises(InputError, match="needs scores of 0 or more"):
        loop.step(project, "r")
    pending = open_refinement(project, "r").pending
    assert pending is not None and pending.scores is None
