"""How a refinement stands, for commands, pages and jobs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.decisions import load_decisions
from core.refinement.result import part_of, ranges, standing_of, subset_mask
from core.refinement.round_store import Round
from core.refinement.steps import Ground, by_hand, standing_weights
from core.refinement.store import Refinement
from core.refinement.weights import Numbers
from core.runs import rows_sha256


@dataclass(frozen=True)
class RoundLine:
    """A finished round in short.

    Attributes
    ----------
    rows, scored : how many it brought, and how many of them have a score.
    score : their mean; None without any.
    lost : rows of earlier rounds that had been dropped.
    loss : training loss at its end; None without training.
    notes : of draw, trainer and scorer.
    """

    number: int
    rows: int
    scored: int
    score: float | None
    lost: int
    loss: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RefineReport:
    """How a refinement stands.

    Attributes
    ----------
    state : "ready" for a step; "waiting" for somebody, see `waiting` and `file`; "unfinished"
        where a round was stopped or failed, and a step goes on with it; "finished".
    round, rounds : finished rounds, and how many there are to be.
    budget, selected : rows that are wanted, and those that the finished rounds hold.
    rows_sha256 : of these; see `core.runs.rows_sha256`.
    weights : of each cluster as the next round will find it (or the round at work found it); the
        sum is 1.
    scores : mean score of each cluster in the last finished round, of the rows that it brought or,
        where rows are drawn by their scores, of all that were left; None where none was scored.
    titles : of the clusters, as they are now.
    waiting, file : what is waited for, and the file to work from; "" where there is none.
    done : the finished rounds.
    """

    name: str
    state: str
    round: int
    rounds: int
    budget: int
    selected: int
    rows_sha256: str
    weights: tuple[float, ...]
    scores: tuple[float | None, ...]
    waiting: str
    file: str
    done: tuple[RoundLine, ...]
    titles: tuple[str, ...]


def make_report(refinement: Refinement, ground: Ground) -> RefineReport:
    """Describe how a refinement stands now."""
    rounds = refinement.rounds()
    weights = weights_now(refinement, ground, rounds)
    plan, pending = refinement.plan, refinement.pending
    subset = np.flatnonzero(subset_mask([part_of(one) for one in rounds], ground.pool.rows))
    waiting = pending.waiting if pending else None
    if waiting:
        state = "waiting"
    elif pending:
        state = "unfinished"
    else:
        state = "ready" if len(rounds) < plan.rounds else "finished"
    return RefineReport(
        plan.name,
        state,
        len(rounds),
        plan.rounds,
        plan.budget,
        len(subset),
        rows_sha256(subset),
        tuple(weights.tolist()),
        _last_scores(rounds, len(weights)),
        str(waiting or ""),
        str((waiting.file if waiting else None) or ""),
        tuple(_line(one) for one in rounds),
        tuple(ground.clusters.titles),
    )


def weights_now(refinement: Refinement, ground: Ground, rounds: Sequence[Round]) -> Numbers:
    """Weight of each cluster after these rounds as the next draw finds it; shape (clusters,)."""
    pending = refinement.pending
    if pending:
        found: Numbers = pending.clusters["standing"].to_numpy()
        return by_hand(found, refinement.hand(pending.number + 1))
    decisions = load_decisions(ground.project, ground.pool.rows)
    standing = standing_of(
        [part_of(one) for one in rounds],
        ground.labels,
        ranges(decisions.dropped),
        ranges(decisions.pinned),
    )
    hand = refinement.hand(len(rounds) + 1)
    return standing_weights(refinement.plan, standing, rounds, hand, ground.k)


def _last_scores(rounds: Sequence[Round], clusters: int) -> tuple[float | None, ...]:
    update = rounds[-1].update if rounds else None
    if update is None:
        return (None,) * clusters
    return tuple(None if np.isnan(one) else one for one in update["mean"].to_numpy().tolist())


def _line(one: Round) -> RoundLine:
    drawn, report, scores = one.drawn, one.report, one.scores
    values = scores.values[~np.isnan(scores.values)] if scores else np.empty(0)
    lost = len(part_of(one).lost)
    return RoundLine(
        one.number,
        len(one.rows),
        len(values),
        float(values.mean()) if len(values) else None,
        lost,
        report.losses[-1][1] if report and report.losses else None,
        (*drawn.notes, *(report.notes if report else ()), *(scores.notes if scores else ())),
    )
