"""The stages of a round: draw, train, score, finish. Each leaves its part on disk, whole.

A round that was stopped after any of them goes on from there, and comes out as if it had not been.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.clusters import Clusters, require_clusters
from core.decisions import load_decisions
from core.errors import InputError
from core.features import load_features
from core.pool import Pool
from core.progress import Progress
from core.project import Project
from core.refinement import METHOD
from core.refinement.base import RoundWork, Scores, TrainReport, WaitingError
from core.refinement.draw import Draw, Standing, draw_round, living, seed_of
from core.refinement.own_scores import (
    SCORES,
    all_scores,
    as_quality,
    draws_by_own_scores,
    scorer_of,
)
from core.refinement.plan import Plan
from core.refinement.pool_records import PoolRecords
from core.refinement.registry import Place, find_scorer, find_trainer
from core.refinement.result import part_of, ranges, standing_of, store_result
from core.refinement.round_store import DrawNotes, Hand, Round
from core.refinement.store import Refinement, open_refinement
from core.refinement.weights import (
    ClusterScores,
    Numbers,
    cluster_scores,
    update_weights,
)
from core.runs import Run, delete_run, list_runs
from core.values import decode_ranges, encode_ranges


@dataclass(frozen=True)
class Ground:
    """What a refinement works on: the pool, with the features and clusters of its plan in use."""

    project: Project
    pool: Pool
    clusters: Clusters

    @property
    def labels(self) -> NDArray[np.int32]:
        """Cluster of each row."""
        return self.clusters.labels

    @property
    def place(self) -> Place:
        """What trainers and scorers are told of it."""
        return Place(self.labels, self.project.root / SCORES)

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.clusters.sizes)


def ground_of(project: Project, plan: Plan) -> Ground:
    """Open what the plan was made on, also where other features or clusters are in use by now.

    Raises
    ------
    InputError
        It is not there any more.
    """
    overlay = {"features": plan.features, f"clusters:{plan.features}": plan.clusters}
    project = Project(project.root, overlay)
    pool = Pool.open(project)
    if pool.fingerprint != plan.pool:
        raise InputError(f"{plan.name} was started on another pool; start a new refinement.")
    return Ground(project, pool, require_clusters(project))


@contextmanager
def opened(project: Project, name: str) -> Iterator[tuple[Refinement, Ground]]:
    """Open a refinement to write to it; errors as of `open_refinement`, `ground_of`, `writing`."""
    with project.writing(f"refine {name}"):
        refinement = open_refinement(project, name)
        ground = ground_of(project, refinement.plan)
        if refinement.pending is None:
            settle_run(refinement, ground)  # going back may have been killed half-way
        yield refinement, ground


def settle_run(refinement: Refinement, ground: Ground) -> None:
    """Make the run that of the finished rounds, if it is not; without rounds there is none."""
    project, rounds = ground.project, refinement.rounds()
    stored = run_of(project, refinement.name)
    if not rounds:
        remove_run(project, refinement.name)
    elif stored is None or stored.report.settings.get("round") != len(rounds):
        store_result(project, refinement.plan, ground.labels, rounds)


def run_of(project: Project, name: str) -> Run | None:
    """The run of a refinement, if there is one."""
    runs = (one for one in list_runs(project) if one.id == name)
    return next((one for one in runs if one.report.method == METHOD), None)


def remove_run(project: Project, name: str) -> None:
    """Delete the run of a refinement, if there is one."""
    if run_of(project, name) is not None:
        delete_run(project, name)


def advance(refinement: Refinement, ground: Ground, progress: Progress) -> None:
    """Do what is left of the next round; a `WaitingError` is kept with the round, and ends it.

    Raises
    ------
    InputError
        All rounds are finished, or a stage refuses; what the stages before it did is kept.
    """
    started = time.perf_counter()
    rounds, plan = refinement.rounds(), refinement.plan
    number = len(rounds) + 1
    if number > plan.rounds:
        raise InputError(
            f"All {plan.rounds} rounds of {plan.name} are finished; roll back or branch to go on "
            "from an earlier one."
        )

    def told(done: int, total: int, what: str) -> None:
        progress(done, total, f"round {number}: {what}")

    pending = refinement.pending
    if pending is None:
        told(0, 0, "drawing rows")
        pending = draw(refinement, ground, rounds, progress=told)
    work = _work(ground, plan, pending, rounds)
    try:
        if pending.report is None:
            told(0, 0, "training")
            pending.keep_report(_train(plan, ground.place, work, told))
        if pending.scores is None:
            told(0, 0, "scoring")
            found = _score(plan, ground.place, work, pending, told)
            # What it refuses is not kept.
            known = _known(ground, plan, pending, rounds, found, told)
            updated(plan, pending, rounds, found, known)
            pending.keep_scores(found)
    except WaitingError as waiting:
        pending.keep_waiting(waiting)
        return
    told(0, 0, "weighing clusters")
    scores = pending.scores
    assert scores is not None
    known = _known(ground, plan, pending, rounds, scores, told)
    pending.keep_update(updated(plan, pending, rounds, scores, known))
    told(0, 0, "storing the run")
    # Before the round is finished: what is finished always has its run.
    store_result(ground.project, plan, ground.labels, [*rounds, pending], started=started)
    told(0, 0, "finishing")
    refinement.finish(pending)


def draw(
    refinement: Refinement, ground: Ground, rounds: Sequence[Round], *, progress: Progress
) -> Round:
    """Draw the rows of the next round, and keep the draw; errors as of `Standing.size`."""
    number = len(rounds) + 1
    decisions = load_decisions(ground.project, ground.pool.rows)
    dropped, pinned = ranges(decisions.dropped), ranges(decisions.pinned)
    standing = standing_of([part_of(one) for one in rounds], ground.labels, dropped, pinned)
    hand = refinement.hand(number)
    weights = standing_weights(refinement.plan, standing, rounds, hand, ground.k)
    seed = seed_of(refinement.plan.seed, number)
    candidates = standing.by_cluster(standing.candidates, ground.k)
    drawn_with = living(weights, candidates)
    quality = quality_now(refinement, ground, progress=progress)
    made = draw_now(refinement.plan, ground, standing, drawn_with, number, quality)
    quotas = standing.by_cluster(made.rows, ground.k)
    beyond = int(quotas[weights == 0].sum())
    said = made.notes
    if beyond:
        said += (
            f"{beyond:,} rows come from clusters that were left out: the others have too few "
            "rows for the budget.",
        )
    notes = DrawNotes(
        number,
        seed,
        decisions.log[-1].id if decisions.log else 0,
        dropped,
        pinned,
        encode_ranges(standing.lost),
        hand,
        made.support,
        said,
    )
    clusters = {
        "standing": weights,
        "weight": drawn_with,
        "candidates": candidates,
        "quota": quotas,
    }
    return refinement.begin(notes, made, ground.labels, clusters)


def quality_now(refinement: Refinement, ground: Ground, *, progress: Progress) -> Numbers | None:
    """Quality of each pool row for kMQ: that of the start, or the scores of all rows."""
    scorer = scorer_of(refinement.plan.quality)
    if scorer is None:
        return refinement.quality
    return as_quality(all_scores(scorer, ground.pool, ground.place, progress=progress))


def draw_now(
    plan: Plan,
    ground: Ground,
    standing: Standing,
    weights: Numbers,
    number: int,
    quality: Numbers | None,
) -> Draw:
    """Draw the rows of a round by these weights."""
    features = load_features(ground.project).vectors if plan.within == "closest" else None
    return draw_round(
        standing,
        weights,
        standing.size(plan.budget, plan.rounds - number + 1),
        within=plan.within,
        seed=seed_of(plan.seed, number),
        quality=quality,
        temperature=plan.temperature,
        features=features,
    )


def standing_weights(
    plan: Plan, standing: Standing, rounds: Sequence[Round], hand: Sequence[Hand], clusters: int
) -> Numbers:
    """The weights that a round finds: those after the last one, or the first ones; then by hand.

    The first ones are by the candidates of each cluster, or all alike; a cluster without any
    stands by its rows, for they may be restored.
    """
    if rounds:
        update = rounds[-1].update
        assert update is not None
        weights: Numbers = update["weight"].to_numpy()
    elif plan.quotas == "equal":
        weights = np.ones(clusters)
    else:
        candidates = standing.by_cluster(standing.candidates, clusters)
        sizes = np.bincount(standing.labels, minlength=clusters)
        weights = np.where(candidates > 0, candidates, sizes).astype(np.float64)
    return by_hand(weights / weights.sum(), hand)


def by_hand(weights: Numbers, hand: Sequence[Hand]) -> Numbers:
    """The weights after changes by hand; the sum is 1, or all are 0."""
    if not hand:
        return weights
    weights = weights.copy()
    for one in hand:
        weights[decode_ranges(one.clusters)] *= one.factor
        weights /= weights.sum() or 1.0
    return weights


def updated(
    plan: Plan,
    pending: Round,
    rounds: Sequence[Round],
    scores: Scores,
    known: ClusterScores | None = None,
) -> dict[str, NDArray]:
    """What the scores of a round make of the clusters and their weights, by column.

    Parameters
    ----------
    known : scores of the clusters that count in place of those of the rows drawn.

    Raises
    ------
    InputError
        The update cannot take these scores.
    """
    table = pending.clusters
    k = table.num_rows
    found = cluster_scores(pending.labels, scores.values, k) if known is None else known
    left = table["candidates"].to_numpy() - table["quota"].to_numpy()
    weights = update_weights(
        table["standing"].to_numpy(),
        found,
        plan.rule,
        alive=left > 0,
        so_far=_so_far(pending, rounds, scores, k) if known is None else known,
    )
    return {
        "count": found.count,
        "mean": found.mean,
        "spread": found.spread,
        "score": found.shrunk(plan.shrink),
        "weight": weights,
    }


def _known(
    ground: Ground,
    plan: Plan,
    pending: Round,
    rounds: Sequence[Round],
    scores: Scores,
    progress: Progress,
) -> ClusterScores | None:
    """Scores of the clusters over all rows that can still be drawn, where these are known.

    A draw that prefers what scores high says little of its clusters: the rows that were left
    behind are missing from their means. None where rows are not drawn by their scores, and where
    somebody brought others.
    """
    if not draws_by_own_scores(plan) or not len(pending.rows):
        return None
    values = all_scores(plan.scorer, ground.pool, ground.place, progress=progress)
    if not np.array_equal(values[pending.rows], scores.values, equal_nan=True):
        return None
    drawn = pending.drawn
    parts = [part_of(one) for one in (*rounds, pending)]
    left = standing_of(parts, ground.labels, drawn.dropped, drawn.pinned).candidates
    return cluster_scores(ground.labels[left], values[left], ground.k)


def _so_far(pending: Round, rounds: Sequence[Round], scores: Scores, k: int) -> ClusterScores:
    labels, values = [pending.labels], [scores.values]
    for one in rounds:
        earlier = one.scores
        assert earlier is not None
        labels.append(one.labels)
        values.append(earlier.values)
    return cluster_scores(np.concatenate(labels), np.concatenate(values), k)


def _work(ground: Ground, plan: Plan, pending: Round, rounds: Sequence[Round]) -> RoundWork:
    models = (report.model for one in reversed(rounds) if (report := one.report))
    pending.work.mkdir(exist_ok=True)
    return RoundWork(
        pending.number,
        ground.pool,
        pending.rows,
        PoolRecords(ground.pool, pending.rows),
        pending.labels,
        pending.work,
        next((model for model in models if model is not None), None),
        pending.drawn.seed,
        pending.generations,
    )


def _train(plan: Plan, place: Place, work: RoundWork, progress: Progress) -> TrainReport:
    if not len(work.rows):
        return TrainReport()
    kind = find_trainer(plan.trainer)
    trainer = kind.make(kind.resolve(plan.trainer_options), place)
    return trainer.train(work, progress=progress)


def _score(plan: Plan, place: Place, work: RoundWork, pending: Round, progress: Progress) -> Scores:
    if not len(work.rows):
        return Scores(np.empty(0))
    report = pending.report
    assert report is not None
    kind = find_scorer(plan.scorer)
    scorer = kind.make(kind.resolve(plan.scorer_options), place)
    scores = scorer.score(work, report.model, progress=progress)
    wrong = np.flatnonzero(np.isinf(scores.values))
    if len(wrong):
        raise InputError(f"The scorer gave row {work.rows[wrong[0]]} an infinite score.")
    return scores
