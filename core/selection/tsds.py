"""The target-driven rules KNN-Uniform and KNN-KDE: from a problem to the path, and to rows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows, Selection
from core.selection.density import KernelDensity, expect
from core.selection.nearest import (
    filled_note,
    inclusion,
    most_neighbors,
    nearest_target,
    target_neighbors,
    vectors_of,
)
from core.selection.reasons import Pulls, Reasons
from core.selection.sampling import systematic
from core.selection.transport import PathPoint, TransportPath, numbered

_FLAT = (
    "σ is 0, that is, rows are near-duplicates at cosine 1 alone: every density is 1, as in "
    "KNN-Uniform, and copies do not share a place.",
)
_with_support = TransportPath.smallest_lambda_with_support


@dataclass(frozen=True)
class Terms:
    """What a path is laid by.

    Attributes
    ----------
    scale : "auto" or float
        C; "auto" is the mean distance from the targets to their prefetched neighbours.
    max_neighbors : int
        Neighbours of a target.
    sigma : float or None
        Width of the density kernel, in L2 distance; None or 0 makes every density 1.
    density_neighbors : int
        Neighbours that count in a density; 0 is all.
    whole_pool : bool
        Whether all candidates count in a density, or those alone that a target reaches.
    """

    scale: str | float
    max_neighbors: int
    sigma: float | None = None
    density_neighbors: int = 0
    whole_pool: bool = False

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Terms":
        """From the resolved parameters of KNN-Uniform or KNN-KDE."""
        sigma = parameters.get("sigma")
        if sigma is None and "duplicate_cosine" in parameters:
            sigma = sigma_of(parameters["duplicate_cosine"])
        return cls(
            parameters["scale"],
            parameters["max_neighbors"],
            sigma,
            parameters.get("density_neighbors", 0),
            parameters.get("density_scope") == "pool",
        )


@dataclass(frozen=True)
class _Laid:
    """A path, how many neighbours of each target it knows, and what is to be said of it."""

    path: TransportPath
    neighbors: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Reach:
    """Where on the path the rows are drawn."""

    laid: _Laid
    asked: PathPoint
    point: PathPoint
    notes: tuple[str, ...]


def knn_uniform(
    problem: Problem,
    *,
    diversity_weight: str | float,
    progress: Progress = silent,
    **parameters: Any,
) -> Selection:
    """KNN-Uniform of TSDS: near the targets, spread evenly over their neighbours."""
    return _select(problem, diversity_weight, Terms.of(parameters), progress)


def knn_kde(
    problem: Problem,
    *,
    diversity_weight: str | float,
    progress: Progress = silent,
    **parameters: Any,
) -> Selection:
    """KNN-KDE of TSDS: as KNN-Uniform, where near-duplicates share the mass of one row."""
    return _select(problem, diversity_weight, Terms.of(parameters), progress)


def sigma_of(cosine: float) -> float:
    """The distance of unit vectors with this cosine: sqrt(2 (1 − c))."""
    return float(np.sqrt(max(0.0, 2 * (1 - cosine))))


def rounded_up(weight: float) -> str:
    """A diversity weight with two decimals, or more near 1; with it, as many rows are in reach."""
    for digits in range(2, 7):
        up = math.ceil(round(weight * 10**digits, 6)) / 10**digits
        if up < 1:
            return f"{up:.{digits}f}"
    return f"{weight:g}"


def lay(problem: Problem, terms: Terms, *, progress: Progress = silent) -> TransportPath:
    """The path of a problem, as far as the neighbours of `terms` and memory allow."""
    return _lay(problem, terms, progress).path


def first_filling(
    problem: Problem, terms: Terms, *, progress: Progress = silent
) -> PathPoint | None:
    """The point of the smallest diversity weight whose support holds the budget.

    None when the targets' neighbours hold too few rows, however many are looked at.
    """
    laid = _lay(problem, terms, progress)
    return _fill(problem, terms, laid, _with_support, progress)[1]


def transport_path(
    problem: Problem,
    *,
    scale: str | float = "auto",
    sigma: float | None = None,
    max_neighbors: int = 5000,
    density_neighbors: int = 0,
    progress: Progress = silent,
) -> TransportPath:
    """Find the targets' neighbours among the candidates and lay the path; see `Terms`."""
    return _path(problem, Terms(scale, max_neighbors, sigma, density_neighbors), progress)


def _path(problem: Problem, terms: Terms, progress: Progress) -> TransportPath:

    def walk() -> _Walk:
        progress(0, 0, "finding neighbours")
        assert problem.targets is not None and problem.features is not None
        if terms.sigma and not terms.density_neighbors:
            most = len(problem.candidates)
            if not terms.whole_pool:
                most = min(most, len(problem.targets) * terms.max_neighbors)
            expect(problem.features, terms.sigma, most)
        near = target_neighbors(problem, terms.max_neighbors, progress=progress)
        rows, distances, scale = problem.candidates[near.indices], near.distances, terms.scale
        if isinstance(scale, str):
            mean = float(distances.mean(dtype=np.float64))
            scale = mean if mean > 0 else 1.0
        if not terms.sigma:
            return _Walk(TransportPath(rows, distances, scale=scale))
        kernel = _LazyKernel(problem, rows, terms)
        return _Walk(TransportPath(rows, distances, scale=scale, density=kernel), kernel)

    found = problem.remember(("path", terms), walk)
    if found.kernel is not None:
        found.kernel.progress = progress  # of who asks now, not of who laid the path
    return found.path


class _LazyKernel:
    """The density of prefetched rows, set up when it is first needed."""

    def __init__(self, problem: Problem, prefetched: Rows, terms: Terms) -> None:
        assert terms.sigma is not None
        self.progress: Progress = silent
        self._make = partial(KernelDensity, sigma=terms.sigma, limit=terms.density_neighbors)
        self._problem, self._prefetched, self._whole = problem, prefetched, terms.whole_pool
        self._kernel: KernelDensity | None = None

    def __call__(self, members: NDArray[np.int64]) -> Numbers:
        self.progress(0, 0, "measuring densities")
        if self._kernel is None:
            union = numbered(self._prefetched)[0]
            base = self._problem.candidates if self._whole else union
            self._places = np.searchsorted(base, union)
            self._kernel = self._make(vectors_of(self._problem, base))
        return self._kernel.at(self._places[members], self.progress)


@dataclass(frozen=True)
class _Walk:
    """A path, and what measures the densities along it."""

    path: TransportPath
    kernel: _LazyKernel | None = None


def _select(
    problem: Problem, diversity_weight: str | float, terms: Terms, progress: Progress
) -> Selection:
    reach = _reach(problem, terms, diversity_weight, progress)
    point = reach.point
    chances, filled = inclusion(problem, _spread_out(problem, point))
    taken = systematic(chances, problem.generator)
    rows = problem.candidates[taken]
    settings: dict[str, Any] = {
        "diversity_weight": point.diversity_weight,
        "diversity_weight_asked": diversity_weight,
        "scale": reach.laid.path.scale,
        "max_neighbors": reach.laid.neighbors,
        "alignment_cost": point.alignment_cost,
        "effective_size": point.effective_size,
    }
    if terms.sigma is not None:
        settings |= {"sigma": terms.sigma, "density_neighbors": terms.density_neighbors}
    return Selection(
        rows=rows,
        probabilities=chances[taken],
        support=int(np.count_nonzero(chances)),
        reasons=Reasons(pinned=problem.is_pinned[taken], pulls=_pulls(problem, reach, rows)),
        distribution=_spread_out(problem, reach.asked),
        notes=reach.notes + filled_note(filled) + (_FLAT if terms.sigma == 0 else ()),
        settings=settings,
    )


def _reach(
    problem: Problem, terms: Terms, diversity_weight: str | float, progress: Progress
) -> _Reach:
    """Go along the path as far as the budget needs."""
    laid = _lay(problem, terms, progress)
    if isinstance(diversity_weight, str):
        laid, asked = _automatic(problem, terms, laid, progress)
    else:
        asked = laid.path.solve(diversity_weight)
    point, wanted, notes = asked, _wanted(problem), laid.notes
    reached = point.support - int(np.isin(point.rows, problem.pinned).sum())
    if reached < wanted:
        laid, further = _fill(problem, terms, laid, _with_support, progress)
        point, notes = further or laid.path.end(), laid.notes
        if point.s > asked.s:
            notes += (
                f"Diversity weight moved from {asked.diversity_weight:.4g} to "
                f"{rounded_up(point.diversity_weight)}: at {asked.diversity_weight:.4g} only "
                f"{reached:,} rows are in reach for {wanted:,} places.",
            )
    if point.exhausted and laid.neighbors < len(problem.candidates):
        notes += (
            f"{point.exhausted:,} of {len(point.counts):,} targets have used up their "
            f"{laid.neighbors:,} neighbours; take more neighbours or a smaller diversity weight.",
        )
    return _Reach(laid, asked, point, notes)


def _automatic(
    problem: Problem, terms: Terms, laid: _Laid, progress: Progress
) -> tuple[_Laid, PathPoint]:
    """The first point with room for the budget, or else with as many rows in reach."""
    laid, point = _fill(problem, terms, laid, TransportPath.smallest_lambda_with_room, progress)
    if point is not None:
        return laid, point
    note = (
        "The targets' neighbours hold too few rows that differ for the budget; near-duplicates "
        "fill it."
    )
    point = _with_support(laid.path, _wanted(problem), problem.pinned)
    return replace(laid, notes=(*laid.notes, note)), point or laid.path.end()


def _lay(problem: Problem, terms: Terms, progress: Progress) -> _Laid:
    """The path over the neighbours of `terms`, or as many as memory allows."""
    assert problem.targets is not None
    wished = min(terms.max_neighbors, len(problem.candidates))
    neighbors = min(wished, most_neighbors(problem))
    notes: tuple[str, ...] = ()
    if neighbors < wished:
        notes = (
            f"{neighbors:,} neighbours of each target were looked at instead of {wished:,}, so "
            f"that {len(problem.targets):,} targets fit into memory; take fewer targets for more.",
        )
    path = _path(problem, replace(terms, max_neighbors=neighbors), progress)
    return _Laid(path, neighbors, notes)


def _fill(
    problem: Problem,
    terms: Terms,
    laid: _Laid,
    first: Callable[[TransportPath, int, Rows], PathPoint | None],
    progress: Progress,
) -> tuple[_Laid, PathPoint | None]:
    """The first point that fills the budget, over more neighbours if it takes them."""
    wanted = _wanted(problem)
    point = first(laid.path, wanted, problem.pinned)
    # So many that one target alone could fill the budget, if memory allows.
    more = min(problem.budget + 1, most_neighbors(problem))
    if point is not None or more <= laid.neighbors:
        return laid, point
    note = (
        f"The {laid.neighbors:,} neighbours of each target hold too few different rows "
        f"for the budget; {more:,} were looked at."
    )
    # The scale stays, so that diversity weights keep their meaning.
    longer = replace(terms, scale=laid.path.scale, max_neighbors=more)
    path = _path(problem, longer, progress)
    return _Laid(path, more, (*laid.notes, note)), first(path, wanted, problem.pinned)


def _wanted(problem: Problem) -> int:
    """Places that pinned rows do not take."""
    return problem.budget - len(problem.pinned)


def _spread_out(problem: Problem, point: PathPoint) -> Numbers:
    """The point's probabilities, one for each candidate."""
    spread = np.zeros(len(problem.candidates))
    spread[np.searchsorted(problem.candidates, point.rows)] = point.probabilities
    return spread


def _pulls(problem: Problem, reach: _Reach, rows: Rows) -> Pulls:
    places, targets, shares = reach.laid.path.pulls(reach.point, rows)
    nearest, distances = nearest_target(problem, rows)
    starts = np.searchsorted(places, np.arange(len(rows) + 1))
    return Pulls(starts, targets, shares, nearest, distances)
