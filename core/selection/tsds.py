"""The target-driven rules KNN-Uniform and KNN-KDE: from a problem to the path, and to rows."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.neighbors import exact_neighbors
from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows, Selection
from core.selection.density import KernelDensity
from core.selection.nearest import filled_note, inclusion, nearest_target, vectors_of
from core.selection.reasons import Pulls, Reasons
from core.selection.sampling import systematic
from core.selection.transport import PathPoint, TransportPath

# Pairs of a target and a neighbour that may be looked at: some 2 GB.
_MOST_PAIRS = 1 << 24


@dataclass(frozen=True)
class _Reach:
    """Where on the path the rows are drawn, and what is to be said of it."""

    path: TransportPath
    asked: PathPoint
    point: PathPoint
    neighbors: int
    notes: tuple[str, ...]


def knn_uniform(
    problem: Problem,
    *,
    diversity_weight: float,
    scale: str | float,
    max_neighbors: int,
    progress: Progress = silent,
) -> Selection:
    """KNN-Uniform of TSDS: near the targets, spread evenly over their neighbours."""
    return _select(problem, diversity_weight, scale, max_neighbors, None, 0, progress)


def knn_kde(
    problem: Problem,
    *,
    diversity_weight: float,
    scale: str | float,
    duplicate_cosine: float,
    sigma: float | None,
    max_neighbors: int,
    density_neighbors: int,
    progress: Progress = silent,
) -> Selection:
    """KNN-KDE of TSDS: as KNN-Uniform, where near-duplicates share the mass of one row."""
    width = sigma_of(duplicate_cosine) if sigma is None else sigma
    return _select(
        problem, diversity_weight, scale, max_neighbors, width, density_neighbors, progress
    )


def sigma_of(cosine: float) -> float:
    """The distance of unit vectors with this cosine: sqrt(2 (1 − c))."""
    return float(np.sqrt(max(0.0, 2 * (1 - cosine))))


def transport_path(
    problem: Problem,
    *,
    scale: str | float = "auto",
    sigma: float | None = None,
    max_neighbors: int = 5000,
    density_neighbors: int = 0,
    progress: Progress = silent,
) -> TransportPath:
    """Find the targets' neighbours among the candidates and lay the path.

    Parameters
    ----------
    problem : Problem
        With features and targets.
    scale : "auto" or float
        C; "auto" is the mean distance from the targets to their prefetched neighbours.
    sigma : float, optional
        Width of the density kernel, in L2 distance; None or 0 makes every density 1.
    max_neighbors, density_neighbors : int
        Neighbours of a target; neighbours that count in a density (0: all).
    """
    features, candidates, targets = problem.features, problem.candidates, problem.targets
    assert features is not None and targets is not None
    near = exact_neighbors(
        targets, vectors_of(problem, candidates), max_neighbors, progress=progress
    )
    rows = candidates[near.indices]
    if scale == "auto":
        mean = float(near.distances.mean(dtype=np.float64))
        scale = mean if mean > 0 else 1.0
    if not sigma:
        return TransportPath(rows, near.distances, scale=float(scale))
    kernel = _LazyKernel(features, np.unique(rows), sigma, density_neighbors, progress)
    return TransportPath(rows, near.distances, scale=float(scale), density=kernel)


class _LazyKernel:
    """The density of prefetched rows among each other, set up when it is first needed."""

    def __init__(
        self,
        features: NDArray[np.floating],
        union: Rows,
        sigma: float,
        limit: int,
        progress: Progress,
    ) -> None:
        self._make = partial(KernelDensity, sigma=sigma, limit=limit)
        self._features, self._union, self._progress = features, union, progress
        self._kernel: KernelDensity | None = None

    def __call__(self, members: NDArray[np.int64]) -> Numbers:
        if self._kernel is None:
            whole = len(self._union) == len(self._features)
            self._kernel = self._make(self._features if whole else self._features[self._union])
        self._progress(0, 0, "measuring densities")
        return self._kernel.at(members)


def _select(
    problem: Problem,
    diversity_weight: float,
    scale: str | float,
    max_neighbors: int,
    sigma: float | None,
    density_neighbors: int,
    progress: Progress,
) -> Selection:
    lay = partial(
        transport_path,
        problem,
        sigma=sigma,
        density_neighbors=density_neighbors,
        progress=progress,
    )
    reach = _reach(problem, lay, diversity_weight, scale, max_neighbors)
    point = reach.point
    chances, filled = inclusion(problem, _spread_out(problem, point))
    taken = systematic(chances, problem.generator)
    rows = problem.candidates[taken]
    settings: dict[str, Any] = {
        "diversity_weight": point.diversity_weight,
        "diversity_weight_asked": diversity_weight,
        "scale": reach.path.scale,
        "max_neighbors": reach.neighbors,
        "alignment_cost": point.alignment_cost,
        "effective_size": point.effective_size,
    }
    if sigma is not None:
        settings |= {"sigma": sigma, "density_neighbors": density_neighbors}
    return Selection(
        rows=rows,
        probabilities=chances[taken],
        support=int(np.count_nonzero(chances)),
        reasons=Reasons(pinned=problem.is_pinned[taken], pulls=_pulls(problem, reach, rows)),
        distribution=_spread_out(problem, reach.asked),
        notes=reach.notes + filled_note(filled),
        settings=settings,
    )


def _reach(
    problem: Problem,
    lay: partial[TransportPath],
    diversity_weight: float,
    scale: str | float,
    max_neighbors: int,
) -> _Reach:
    """Go along the path as far as the budget needs."""
    wished, most = min(max_neighbors, len(problem.candidates)), _most_neighbors(problem)
    neighbors = min(wished, most)
    path = lay(scale=scale, max_neighbors=neighbors)
    point = asked = path.solve(diversity_weight)
    wanted = problem.budget - len(problem.pinned)
    reached = point.support - int(np.isin(point.rows, problem.pinned).sum())
    notes: tuple[str, ...] = ()
    if neighbors < wished:
        notes += (
            f"{neighbors:,} neighbours of each target were looked at instead of {wished:,}, so "
            f"that {len(point.counts):,} targets fit into memory; take fewer targets for more.",
        )
    if reached < wanted:
        further = path.smallest_lambda_with_support(wanted, problem.pinned)
        # So many that one target alone could fill the budget, if memory allows.
        more = min(problem.budget + 1, most)
        if further is None and more > neighbors:
            notes += (
                f"The {neighbors:,} neighbours of each target hold too few different rows "
                f"for the budget; {more:,} were looked at.",
            )
            neighbors = more
            # The scale stays, so that diversity weights keep their meaning.
            path = lay(scale=path.scale, max_neighbors=neighbors)
            further = path.smallest_lambda_with_support(wanted, problem.pinned)
        point = further or path.end()
        notes += (
            f"Diversity weight moved from {diversity_weight:g} to {point.diversity_weight:.6g}: "
            f"at {diversity_weight:g} only {reached:,} rows are in reach "
            f"for {wanted:,} places.",
        )
    if point.exhausted and neighbors < len(problem.candidates):
        notes += (
            f"{point.exhausted:,} of {len(point.counts):,} targets have used up their "
            f"{neighbors:,} neighbours; take more neighbours or a smaller diversity weight.",
        )
    return _Reach(path, asked, point, neighbors, notes)


def _most_neighbors(problem: Problem) -> int:
    """Neighbours of each target that memory allows."""
    assert problem.targets is not None
    return min(len(problem.candidates), max(1, _MOST_PAIRS // len(problem.targets)))


def _spread_out(problem: Problem, point: PathPoint) -> Numbers:
    """The point's probabilities, one for each candidate."""
    spread = np.zeros(len(problem.candidates))
    spread[np.searchsorted(problem.candidates, point.rows)] = point.probabilities
    return spread


def _pulls(problem: Problem, reach: _Reach, rows: Rows) -> Pulls:
    places, targets, shares = reach.path.pulls(reach.point, rows)
    nearest, distances = nearest_target(problem, rows)
    starts = np.searchsorted(places, np.arange(len(rows) + 1))
    return Pulls(starts, targets, shares, nearest, distances)
