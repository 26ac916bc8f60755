"""What the target-driven rules share: neighbours of targets and rows, and filling up by them."""

import numpy as np
from numpy.typing import NDArray

from core.neighbors import Neighbors, exact_neighbors
from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows
from core.selection.sampling import inclusion_probabilities, merge_pinned

_MOST_PAIRS = 1 << 24  # of a target and a neighbour that may be looked at: some 2 GB


def vectors_of(problem: Problem, rows: Rows) -> NDArray[np.floating]:
    """The features of different rows, ascending; no copy when they are all rows."""
    assert problem.features is not None
    return problem.features if len(rows) == len(problem.features) else problem.features[rows]


def target_neighbors(problem: Problem, count: int, *, progress: Progress = silent) -> Neighbors:
    """Places in the candidates of the `count` nearest to each target; see `exact_neighbors`.

    The widest search of a problem is kept, and answers the narrower ones.
    """
    near = _at_least(problem, count, problem.spare, progress)
    return Neighbors(near.indices[:, :count], near.distances[:, :count])


def most_neighbors(problem: Problem) -> int:
    """Neighbours of each target that memory allows."""
    assert problem.targets is not None
    return min(len(problem.candidates), max(1, _MOST_PAIRS // len(problem.targets)))


def _at_least(problem: Problem, count: int, spare: float, progress: Progress) -> Neighbors:
    """So many neighbours of each target or more, unless there are no more candidates.

    `spare` is how many more a search should look for, as a share, if memory allows.
    """
    assert problem.targets is not None
    kept: list[Neighbors] = problem.remember("target neighbors", list)
    count = min(count, len(problem.candidates))
    if kept and kept[0].indices.shape[1] >= count:
        return kept[0]
    near = _among_wider(problem, count, progress)
    if near is None:
        base = vectors_of(problem, problem.candidates)
        more = min(count + int(count * spare), max(count, most_neighbors(problem)))
        near = exact_neighbors(problem.targets, base, more, progress=progress)
    kept[:] = [near]
    return near


def _among_wider(problem: Problem, count: int, progress: Progress) -> Neighbors | None:
    """The neighbours of the wider problem that are candidates here; None where they are too few."""
    wider = problem.wider
    if wider is None or len(wider.candidates) - len(problem.candidates) > count:
        return None
    place = np.full(len(wider.candidates), -1)
    inside = np.searchsorted(wider.candidates, problem.candidates)
    place[inside] = np.arange(len(inside))
    # The second time, none of them can be too few.
    for wanted, spare in ((count, wider.spare), (2 * count, 0.0)):
        if wanted > max(count, most_neighbors(wider)):
            break
        known = _at_least(wider, wanted, spare, progress)
        places = place[known.indices]
        first = places >= 0
        first &= np.cumsum(first, axis=1) <= count
        if np.count_nonzero(first) == count * len(places):
            shape = (len(places), count)
            return Neighbors(places[first].reshape(shape), known.distances[first].reshape(shape))
    return None


def nearest_target(
    problem: Problem, rows: Rows, *, progress: Progress = silent
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The target nearest to each row, the lower one among equals, and the L2 distance to it.

    Each row is looked at once for the same candidates and targets.
    """
    assert problem.features is not None and problem.targets is not None
    count = len(problem.features)
    nearest, distances = (problem.wider or problem).remember(
        "nearest targets", lambda: (np.full(count, -1), np.empty(count, np.float32))
    )
    new = rows[nearest[rows] < 0]
    if len(new):
        near = exact_neighbors(vectors_of(problem, new), problem.targets, 1, progress=progress)
        distances[new], nearest[new] = near.distances[:, 0], near.indices[:, 0]
    return nearest[rows], distances[rows]


def inclusion(problem: Problem, weights: Numbers) -> tuple[Numbers, int]:
    """Inclusion probability of each candidate, in proportion to its weight.

    Where fewer candidates than the budget have a weight, all of them are certain, and the rows
    nearest to a target fill the budget.

    Parameters
    ----------
    problem : Problem
    weights : float64 ndarray of shape (candidates,)

    Returns
    -------
    float64 ndarray of shape (candidates,), and how many rows were filled up.
    """
    free = ~problem.is_pinned
    wanted = problem.budget - int(np.count_nonzero(problem.is_pinned))
    missing = wanted - int(np.count_nonzero(weights[free]))
    if missing <= 0:
        return merge_pinned(problem.is_pinned, inclusion_probabilities(weights[free], wanted)), 0
    chances = (problem.is_pinned | (weights > 0)).astype(np.float64)
    beyond = np.flatnonzero(chances == 0)
    _, distances = nearest_target(problem, problem.candidates[beyond])
    chances[beyond[np.argsort(distances, kind="stable")[:missing]]] = 1.0
    return chances, missing


def filled_note(filled: int) -> tuple[str, ...]:
    """What to say of so many rows that filled the budget."""
    if not filled:
        return ()
    return (
        f"{filled:,} rows lie beyond the neighbours of all targets; "
        "the nearest ones fill the budget.",
    )
