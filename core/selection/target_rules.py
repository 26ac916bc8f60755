"""Target-driven rules without transport: turns, the nearest, mean similarity, target clusters."""

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.neighbors import exact_neighbors
from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows, Selection
from core.selection.nearest import most_neighbors, nearest_target, vectors_of
from core.selection.quotas import Counts, largest_remainder
from core.selection.reasons import Pulls, Reasons
from core.selection.sampling import uniform

_MORE_NEIGHBORS = 16  # so that small budgets rarely need a second search
_BLOCK = 65_536  # rows in float64 at a time: 134 MB at 256 dimensions
_NEAREST = "distance to the nearest target"


def round_robin(problem: Problem, *, progress: Progress = silent) -> Selection:
    """Let the targets take turns: each takes the row nearest to it that is still free.

    The turns go by target number, again and again until the budget is full, as in RDS+
    (arXiv 2503.01807) and the greedy round robin of arXiv 2602.14696; here by L2 distance, which
    orders unit vectors as their cosine does. Ties go to the lower row. Pinned rows are taken
    before the first turn.
    """
    free = problem.candidates[~problem.is_pinned]
    wanted = problem.budget - len(problem.pinned)
    taken = _take_turns(problem, free, wanted, progress)
    rows = np.sort(np.concatenate([problem.pinned, taken]))
    turn = np.full(len(rows), -1)
    turn[np.searchsorted(rows, taken)] = np.arange(wanted)
    pinned = turn < 0
    assert problem.targets is not None
    count = len(problem.targets)
    takers = turn[~pinned] % count
    nearest, distances = nearest_target(problem, rows)
    pulls = Pulls(
        starts=np.concatenate([[0], np.cumsum(~pinned)]),
        targets=takers,
        shares=1 / (count * np.bincount(takers, minlength=count)[takers]),
        nearest=nearest,
        distances=distances,
    )
    reasons = Reasons(pinned=pinned, pulls=pulls, rank=_ranks(turn, pinned))
    return _certain(problem, rows, reasons)


def doubly_greedy(problem: Problem, *, progress: Progress = silent) -> Selection:
    """Take the nearest pair of a row and a target again and again, whatever the target.

    This is the doubly greedy rule of arXiv 2602.14696 in the form of its published code: rows in
    the order of their largest similarity to any target, here of their smallest L2 distance, which
    is the same for unit vectors. Ties go to the lower row.
    """
    _, distances = nearest_target(problem, problem.candidates, progress=progress)
    return _lowest(problem, distances, _NEAREST, distances)


def mean_similarity(problem: Problem, *, progress: Progress = silent) -> Selection:
    """Take the rows with the highest mean cosine to the targets.

    As x · mean(t) for vectors of unit norm; vectors of norm 0 have cosine 0. Ties go to the lower
    row.
    """
    assert problem.features is not None and problem.targets is not None
    mean = _unit(problem.targets).mean(axis=0)
    cosines = np.empty(len(problem.candidates))
    for start in range(0, len(cosines), _BLOCK):
        rows = problem.candidates[start : start + _BLOCK]
        # Not a BLAS product: copies of a row must come out alike wherever they stand.
        cosines[start : start + _BLOCK] = np.einsum("ij,j->i", _unit(problem.features[rows]), mean)
        progress(start + len(rows), len(cosines), "measuring similarity")
    if not np.isfinite(cosines).all():
        row = problem.candidates[(~np.isfinite(cosines)).argmax()]
        raise InputError(f"Row {row} of the pool holds NaN or infinite values; encode it again.")
    return _lowest(problem, -cosines, "mean cosine to the targets", cosines)


def target_kmeans(problem: Problem, *, within: str, progress: Progress = silent) -> Selection:
    """Give each cluster the share of the budget that it has of the targets.

    A target belongs to the cluster whose centroid, the mean of all its rows, is nearest. What the
    clusters of the targets cannot give comes from the clusters whose centroids are nearest to a
    target.
    """
    assert problem.features is not None and problem.targets is not None
    names, group = np.unique(np.asarray(problem.labels), return_inverse=True)
    centroids = _centroids(problem.features, group, len(names), progress)
    home = exact_neighbors(problem.targets, centroids, 1).indices[:, 0]
    votes = np.bincount(home, minlength=len(names))
    away = exact_neighbors(centroids, problem.targets, 1).distances[:, 0]
    group = group[problem.candidates]
    sizes = np.bincount(group, minlength=len(names))
    pinned = np.bincount(group[problem.is_pinned], minlength=len(names))
    quotas = _quotas(problem.budget, votes, away, sizes, pinned)
    chances = problem.is_pinned.astype(np.float64)
    if within == "random":
        taken = _drawn(problem, group, quotas - pinned, chances)
    else:
        taken = _nearest_within(problem, group, quotas - pinned, progress)
        chances[taken] = 1.0
    rows, group = problem.candidates[taken], group[taken]
    reasons = Reasons(
        pinned=problem.is_pinned[taken],
        cluster=names.astype(np.int64)[group],
        quota=quotas[group],
        size=sizes[group],
        measure="" if within == "random" else _NEAREST,
        value=None if within == "random" else nearest_target(problem, rows)[1].astype(np.float64),
    )
    return Selection(
        rows=rows,
        probabilities=chances[taken],
        support=int(np.count_nonzero(chances)),
        reasons=reasons,
        distribution=chances / problem.budget,
        notes=_quota_notes(problem.budget, votes, sizes, quotas, pinned),
        settings={"clusters": len(names), "clusters_with_targets": int(np.count_nonzero(votes))},
    )


def _certain(problem: Problem, rows: Rows, reasons: Reasons) -> Selection:
    """The selection of a rule in which nothing is left to chance."""
    distribution = np.zeros(len(problem.candidates))
    distribution[np.searchsorted(problem.candidates, rows)] = 1 / len(rows)
    return Selection(rows, np.ones(len(rows)), len(rows), reasons, distribution)


def _lowest(
    problem: Problem, keys: NDArray[np.floating], measure: str, values: NDArray[np.floating]
) -> Selection:
    """The pinned candidates and those with the lowest keys; the keys are one a candidate."""
    free = np.flatnonzero(~problem.is_pinned)
    wanted = problem.budget - len(problem.pinned)
    best = free[np.argsort(keys[free], kind="stable")[:wanted]]
    turn = np.full(len(problem.candidates), -1)
    turn[best] = np.arange(wanted)
    taken = np.flatnonzero(problem.is_pinned | (turn >= 0))
    pinned = problem.is_pinned[taken]
    reasons = Reasons(
        pinned=pinned,
        rank=_ranks(turn[taken], pinned),
        measure=measure,
        value=values[taken].astype(np.float64),
    )
    return _certain(problem, problem.candidates[taken], reasons)


def _ranks(turn: Rows, pinned: NDArray[np.bool_]) -> Rows:
    """Places from 1: pinned rows come first, then the others by turn."""
    return np.where(pinned, np.cumsum(pinned), turn + 1 + np.count_nonzero(pinned))


def _take_turns(problem: Problem, free: Rows, wanted: int, progress: Progress) -> Rows:
    """The rows in the order in which the targets take them; the first is that of target 0."""
    assert problem.features is not None and problem.targets is not None
    targets = problem.targets
    gone = bytearray(len(problem.features))
    taken = np.empty(wanted, np.int64)
    done, neighbors = 0, 2 * -(-wanted // len(targets)) + _MORE_NEIGHBORS
    while done < wanted:
        neighbors = min(neighbors, most_neighbors(problem))
        near = exact_neighbors(targets, vectors_of(problem, free), neighbors, progress=progress)
        done = _turns(free[near.indices], gone, taken, done)
        # A target has run out: what is free now is searched again, so no search is in vain.
        free = free[np.frombuffer(gone, np.bool_)[free] == 0]
        neighbors *= 2
    return taken


def _turns(lists: NDArray[np.int64], gone: bytearray, taken: Rows, done: int) -> int:
    """Go on with the turns until the rows are all taken or a target's list is at its end."""
    queues = [iter(memoryview(rows)) for rows in lists]
    for turn in range(done, len(taken)):
        row = next((row for row in queues[turn % len(queues)] if not gone[row]), None)
        if row is None:
            return turn
        gone[row] = 1
        taken[turn] = row
    return len(taken)


def _unit(vectors: NDArray[np.floating]) -> Numbers:
    values = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", values, values))
    values /= np.where(norms == 0, 1.0, norms)[:, None]
    return values


def _centroids(
    features: NDArray[np.floating], group: NDArray[np.int64], groups: int, progress: Progress
) -> NDArray[np.float32]:
    sums = np.zeros((groups, features.shape[1]))
    for start in range(0, len(features), _BLOCK):
        part = group[start : start + _BLOCK]
        order = np.argsort(part, kind="stable")
        present, starts = np.unique(part[order], return_index=True)
        block = features[start : start + _BLOCK].astype(np.float64)
        sums[present] += np.add.reduceat(block[order], starts, axis=0)
        progress(start + len(part), len(features), "finding centroids")
    return (sums / np.bincount(group, minlength=groups)[:, None]).astype(np.float32)


def _quotas(
    budget: int, votes: Counts, away: NDArray[np.float32], sizes: Counts, pinned: Counts
) -> Counts:
    """Rows of each cluster: by votes as far as there are rows, then by nearness to a target."""
    full = np.where(votes > 0, sizes, pinned)
    left = budget - int(full.sum())
    if left <= 0:
        return largest_remainder(votes, budget, sizes, pinned)
    order = np.argsort(away, kind="stable")
    room = (sizes - full)[order]
    before = np.cumsum(room) - room
    full[order] += np.clip(left - before, 0, room)
    return full


def _quota_notes(
    budget: int, votes: Counts, sizes: Counts, quotas: Counts, pinned: Counts
) -> tuple[str, ...]:
    short = int(np.count_nonzero((votes > 0) & (sizes < np.floor(budget * votes / votes.sum()))))
    if not short:
        return ()
    clusters = "1 cluster has" if short == 1 else f"{short:,} clusters have"
    share = "its share" if short == 1 else "their share"
    beyond = int((quotas - pinned)[votes == 0].sum())
    rest = "the other clusters with targets give more."
    if beyond:
        rows = "1 row comes" if beyond == 1 else f"{beyond:,} rows come"
        rest = f"{rows} from the clusters nearest to the targets."
    return (f"{clusters} fewer rows than {share} of the targets asks for; {rest}",)


def _drawn(problem: Problem, group: NDArray[np.int64], wanted: Counts, chances: Numbers) -> Rows:
    """Draw rows in each cluster, all alike; `chances` takes up the probabilities."""
    generator = problem.generator
    free = np.flatnonzero(~problem.is_pinned)
    free = free[np.argsort(group[free], kind="stable")]
    taken = [np.flatnonzero(problem.is_pinned)]
    sizes = np.bincount(group[free], minlength=len(wanted))
    for members, quota in zip(np.split(free, np.cumsum(sizes)[:-1]), wanted, strict=True):
        if quota:
            chances[members] = quota / len(members)
            taken.append(members[uniform(len(members), int(quota), generator)])
    return np.sort(np.concatenate(taken))


def _nearest_within(
    problem: Problem, group: NDArray[np.int64], wanted: Counts, progress: Progress
) -> Rows:
    """The rows of each cluster that are nearest to any target, and the pinned ones."""
    open_ = np.flatnonzero(~problem.is_pinned & (wanted[group] > 0))
    taken = np.flatnonzero(problem.is_pinned)
    if len(open_):
        _, distances = nearest_target(problem, problem.candidates[open_], progress=progress)
        order = np.lexsort((open_, distances, group[open_]))
        ordered, groups = open_[order], group[open_][order]
        place = np.arange(len(groups)) - np.searchsorted(groups, groups)
        taken = np.concatenate([taken, ordered[place < wanted[groups]]])
    return np.sort(taken)
