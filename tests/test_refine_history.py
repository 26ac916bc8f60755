"""What pages and notebooks are shown of a refinement: by round, by cluster, and while it works."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refine_kinds import ClusterScorer, CountingTrainer, kind

from core.decisions import decide, undo
from core.errors import InputError
from core.project import Project
from core.refinement import edits, loop
from core.refinement.at_work import at_work, finished_rounds
from core.refinement.estimate import estimate
from core.refinement.figures import _names_at, heat_strip, loss_curve, source_bars
from core.refinement.history import history_of, stamp_of
from core.refinement.registry import SCORERS, TRAINERS, find_scorer, find_trainer
from core.refinement.store import open_refinement
from core.runs import load_run
from core.workspace import Workspace

ROWS = 240


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    monkeypatch.setitem(TRAINERS, "count", kind("count", CountingTrainer))
    monkeypatch.setitem(SCORERS, "cluster", kind("cluster", ClusterScorer))


@pytest.fixture
def project(mapped_root):
    project = Project.open(mapped_root)
    loop.start(project, name="r", budget=30, trainer="count", scorer="cluster", seed=3)
    return project


def test_before_the_first_round_there_are_the_first_weights_alone(project):
    found = history_of(project, "r")
    assert found.weights.shape == (4, 1) and found.counts.shape == (4, 0)
    np.testing.assert_allclose(found.weights_now, 0.25)
    assert not found.change.any() and not found.held.any() and not len(found.drawn.rows)
    assert np.isnan(found.overall.mean).all() and found.losses == () and found.by_hand == ((),)
    assert heat_strip(found, theme="light", since_start=True, opened=None).data[0].z.shape == (1, 4)


def test_weights_scores_and_rows_are_those_of_the_rounds(project):
    report = loop.run(project, "r")
    found, rounds = history_of(project, "r"), open_refinement(project, "r").rounds()
    assert found.weights.shape == (4, 4)
    np.testing.assert_allclose(found.weights.sum(axis=0), 1)
    assert found.weights_now.tolist() == list(report.weights)
    np.testing.assert_array_equal(found.change, found.weights[:, 3] - found.weights[:, 2])
    for at, one in enumerate(rounds):
        assert found.weights[:, at].tolist() == one.clusters["standing"].to_pylist()
        assert found.counts[:, at].tolist() == np.bincount(one.labels, minlength=4).tolist()
        for cluster in range(4):
            mine = one.scores.values[one.labels == cluster]
            mine = mine[~np.isnan(mine)]
            expected = mine.mean() if len(mine) else np.nan
            np.testing.assert_allclose(found.scores[cluster, at], expected)
    drawn = found.drawn
    run = load_run(project, "r")
    assert np.sort(drawn.rows[drawn.held]).tolist() == run.rows.tolist()
    assert found.held.sum() == 30 and found.source_counts.sum() == 30
    assert found.losses == tuple(one.report.losses for one in rounds)
    told = dict(zip(run.table["row"].to_pylist(), run.table["why"].to_pylist(), strict=True))
    for row, number, why in zip(drawn.rows, drawn.rounds, drawn.why, strict=True):
        assert told[int(row)] == f"round {number}: {why}"
    best_first = drawn.scores[drawn.of_cluster(3)]
    known = best_first[~np.isnan(best_first)]
    assert (np.diff(known) <= 0).all() and not np.isnan(best_first[: len(known)]).any()
    assert set(drawn.rows[drawn.of_round(2)]) == set(rounds[1].rows)


def test_rows_that_were_dropped_leave_the_subset_and_may_come_back(project):
    loop.step(project, "r")
    gone = history_of(project, "r").drawn.rows
    decide(project, ROWS, "drop", gone, "test")
    loop.step(project, "r")
    found = history_of(project, "r")
    assert found.held.sum() == found.report.selected < len(found.drawn.rows)
    assert not np.isin(found.drawn.rows[found.drawn.held], gone).any()
    undo(project, ROWS)
    decide(project, ROWS, "pin", gone[:4], "test")  # so that these come back
    loop.step(project, "r")
    drawn = history_of(project, "r").drawn
    assert np.sort(drawn.rows[drawn.held]).tolist() == load_run(project, "r").rows.tolist()
    twice = np.intersect1d(gone, drawn.rows[drawn.rounds == 3])
    assert set(gone[:4]) <= set(twice)
    for row in twice:
        assert drawn.held[drawn.rows == row].tolist() == [False, True]


def test_changes_by_hand_are_told_until_they_are_taken_back(project):
    before = stamp_of(project, "r")
    edits.reweight(project, "r", [1, 2], 2.0)
    edits.reweight(project, "r", [2], 0.5)
    found = history_of(project, "r")
    assert stamp_of(project, "r") != before
    assert [found.factor_by_hand(number) for number in range(4)] == [1, 2, 1, 1]
    assert found.weights_now.argmax() == 1
    loop.step(project, "r")
    found = history_of(project, "r")
    assert len(found.by_hand[0]) == 2 and found.by_hand[1] == ()
    edits.reweight(project, "r", [0], 0.0)
    assert history_of(project, "r").weights_now[0] == 0
    edits.rollback(project, "r", 1)
    assert history_of(project, "r").weights_now[0] > 0


def test_a_round_at_work_tells_losses_and_log(project):
    assert at_work(project, "r") is None

    def look(done, total, what):
        if what.endswith("training half"):
            work = open_refinement(project, "r").pending.work
            (work / "losses.json").write_text(json.dumps({"losses": [[1, 3.5], [2, 3.25]]}))
            (work / "log.txt").write_bytes(b"x" * 9_000 + b"\nstep 2 \xff")
            found.append(at_work(project, "r"))
        elif what.endswith("scoring rows"):
            found.append(at_work(project, "r"))

    found = []
    loop.step(project, "r", progress=look)
    early, late = found
    assert (early.number, early.rows) == (1, 10)
    assert early.losses == ((1, 3.5), (2, 3.25))
    assert early.log.endswith("step 2 �") and len(early.log) < 5_000
    assert late.losses == ((1, 2.0), (2, 1.5))  # what the trainer reported counts
    assert at_work(project, "r") is None and finished_rounds(project, "r") == 1


def test_figures_hold_the_weights_and_shares(project):
    loop.run(project, "r")
    found = history_of(project, "r")
    order = found.by_weight
    assert (np.diff(found.weights_now[order]) <= 0).all()
    for theme in ("light", "dark"):
        strip = heat_strip(found, theme=theme, since_start=False, opened=int(order[2]))
        # Its lines fill the height: a line of the plot is a round.
        assert strip.layout.yaxis.range == (len(strip.data[0].y) - 0.5, -0.5)
        np.testing.assert_allclose(strip.data[0].z, np.sqrt(found.weights[order].T))
        cells = strip.data[1]
        assert [int(one) for one in cells.customdata[:4]] == order.tolist()
        assert "now: " in cells.text[-1] and (strip.layout.shapes[0].x0, 1.5) == (1.5, 1.5)
        bars = source_bars(found, theme=theme)
        np.testing.assert_allclose(np.sum([bar.x for bar in bars.data], axis=0), 1)
        assert [len(line.x) for line in loss_curve(found.losses, theme=theme).data] == [2, 2, 2]
        names = strip.layout.xaxis
        assert list(names.tickvals) == [0, 1, 2, 3]
        assert names.ticktext[0] == found.clusters.titles[order[0]]
        legend = strip.data[0].colorbar
        heaviest = 100 * found.weights.max()
        assert legend.ticktext[0] == "0 %" and legend.ticktext[-1] == f"{heaviest:.2g} %"
        assert legend.tickvals[-1] ** 2 == pytest.approx(found.weights.max())
    strip = heat_strip(found, theme="light", since_start=True, opened=None).data[0]
    gains = strip.z
    assert not gains[0].any() and gains[-1][0] > 0 > gains[-1][-1]
    assert strip.colorbar.ticktext[1] == "as at the start" and strip.zmax == -strip.zmin
    most = float(strip.colorbar.ticktext[2].split()[1])
    assert most == pytest.approx(2**strip.zmax, rel=0.05)


@given(columns=st.integers(1, 3000), opened=st.integers(0, 2999) | st.none())
def test_titles_below_the_strip_have_room_and_the_open_cluster_has_its_own(columns, opened):
    opened = None if opened is None else opened % columns
    ticks, letters, angle, _ = _names_at(columns, opened)
    assert ticks == sorted(set(ticks)) and ticks[0] >= 0 and ticks[-1] < columns
    assert opened in (None, *ticks)
    pixels = 1200 / columns
    assert (np.diff(ticks) * pixels >= (19 if angle else 7 * letters) - 1e-6).all()


def test_a_cluster_that_is_dropped_comes_last_and_has_no_weight(project):
    loop.step(project, "r")
    before = history_of(project, "r")
    number = int(before.by_weight[0])
    decide(project, ROWS, "drop", np.flatnonzero(before.clusters.labels == number), "test")
    found = history_of(project, "r")
    assert found.dropped.tolist() == [one == number for one in range(4)]
    assert found.weights_now[number] == 0 and found.by_weight[-1] == number
    rest = np.delete(before.weights_now, number)
    np.testing.assert_allclose(np.delete(found.weights_now, number), rest / rest.sum())
    np.testing.assert_array_equal(found.weights[:, :-1], before.weights[:, :-1])
    decide(project, ROWS, "drop", np.arange(ROWS), "test")
    nothing = history_of(project, "r")
    assert nothing.dropped.all() and not nothing.weights_now.any()
    heat_strip(nothing, theme="light", since_start=True, opened=None)
    undo(project, ROWS)
    undo(project, ROWS)
    np.testing.assert_array_equal(history_of(project, "r").weights, before.weights)


def test_a_title_that_looks_like_markup_is_shown_as_it_is(project, monkeypatch):
    found = history_of(project, "r")
    found.clusters.titles[0] = "<img src=x> & co"
    cells = heat_strip(found, theme="light", since_start=False, opened=None).data[1]
    assert any("&lt;img src=x&gt; &amp; co" in text for text in cells.text)


def _estimate(pool, trainer="none", scorer="coherence", trained=None, scored=None, **changes):
    return estimate(
        pool,
        budget=changes.get("budget", 90),
        rounds=3,
        trainer=trainer,
        trainer_options=find_trainer(trainer).resolve(trained or {}),
        scorer=scorer,
        scorer_options=find_scorer(scorer).resolve(scored or {}),
    )


def test_an_estimate_says_only_what_is_known(project):
    pool = Workspace(project).pool
    plain = _estimate(pool)
    assert (plain.rows, plain.a_round, plain.asked) == (30, 0, None) and 0 < plain.once < 1
    once, twice = (_estimate(pool, "proxy", trained={"epochs": n}).a_round for n in (1, 2))
    assert twice == 2 * once == _estimate(pool, "proxy", budget=180, trained={"epochs": 1}).a_round
    assert _estimate(pool, "proxy", trained={"width": 512}).a_round is None
    assert _estimate(pool, "manual").a_round is None
    found = _estimate(pool, "proxy", "perplexity")
    assert found.a_round is None and found.training == _estimate(pool, "proxy").a_round > 0
    assert ["up to 256 tokens to each of 30 rows" in one for one in found.unknown] == [True]
    found = _estimate(pool, "proxy", "perplexity", scored={"measure": "loss"})
    assert ["writes" in one for one in found.unknown] == [False]


@pytest.mark.parametrize("scorer", ["soundness", "coherence", "perplexity", "import", "cluster"])
@pytest.mark.parametrize("trainer", ["none", "proxy", "command", "manual", "count"])
def test_what_is_not_known_of_the_time_has_a_reason(project, trainer, scorer):
    given = {"command": "true"} if trainer == "command" else {}
    found = _estimate(Workspace(project).pool, trainer, scorer, trained=given)
    assert (found.a_round is None) == bool(found.unknown)
    assert found.unknown or (trainer in ("none", "proxy") and scorer in ("soundness", "coherence"))
    assert len(set(found.unknown)) == len(found.unknown)


def test_a_judge_says_what_it_will_be_asked(project):
    pool = Workspace(project).pool
    given = {"url": "http://127.0.0.1:9/v1", "model": "m", "most_calls": 50}
    found = _estimate(pool, scorer="judge", scored=given)
    assert found.asked.calls == 30 and found.allowed == 50 and found.a_round is None
    assert 30 * 150 < found.asked.tokens < 30 * 400  # the question alone is some 180 tokens
    both = _estimate(pool, "proxy", "judge", scored=given | {"against": "generated"})
    assert both.asked.calls == 60


def test_what_is_not_there_is_said(project):
    for ask in (history_of, stamp_of, at_work, finished_rounds):
        with pytest.raises(InputError, match="No refinement 'x'"):
            ask(project, "x")


def test_the_command_line_and_python_tell_the_same(project, winnow, winnow_json):
    loop.step(project, "r")
    found = Workspace(project).refine_history("r")
    told = winnow_json("refine", "history", project.root, "--name", "r")
    assert not any(one["dropped"] for one in told["clusters"])
    assert told["rounds"] == 1 and sum(told["sources"]["cooking"]) == found.source_counts[0, 0]
    heaviest = told["clusters"][0]
    number = heaviest["cluster"]
    assert heaviest["weights"] == found.weights[number].tolist()
    assert heaviest["rows"] == found.counts[number].tolist() == [heaviest["held"]]
    assert heaviest["score"] == heaviest["scores"][0] == found.overall.mean[number]
    printed = winnow("refine", "history", project.root, "--name", "r", check=0).stdout
    assert "25.00% → " in printed and heaviest["title"] in printed
