"""Diversity first: a quota for each group, then a choice within it (arXiv 2409.11378).

Where a rule takes `quotas`, an array of weights, one for each cluster number, will do in place of
"proportional" or "equal": so `core.refinement.draw` uses them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.progress import Progress, silent
from core.selection.base import Numbers, Problem, Rows, Selection, finite_quality
from core.selection.quotas import Counts, largest_remainder
from core.selection.reasons import Reasons
from core.selection.rows import unit
from core.selection.sampling import (
    inclusion_probabilities,
    merge_pinned,
    systematic,
    uniform,
)

_BLOCK = 16_384  # rows of a cluster at a time
_NAME = 40  # characters of a group's name in a reason


@dataclass(frozen=True)
class _Shares:
    """How the budget falls on the groups that have candidates."""

    names: NDArray[np.int64]  # (groups,) numbers of clusters or strata
    group: NDArray[np.int64]  # (candidates,) index of names
    sizes: Counts  # (groups,)
    quotas: Counts  # (groups,)


def random(problem: Problem, *, progress: Progress = silent) -> Selection:
    """Choose rows at random, every set of them alike."""
    del progress
    free = np.flatnonzero(~problem.is_pinned)
    wanted = problem.budget - len(problem.pinned)
    taken = problem.is_pinned.copy()
    taken[free[uniform(len(free), wanted, problem.generator)]] = True
    share = wanted / len(free) if len(free) else 0.0
    inclusion = merge_pinned(problem.is_pinned, np.full(len(free), share))
    return _selection(problem, np.flatnonzero(taken), inclusion, None, None)


def kmeans_random(
    problem: Problem, *, quotas: str | Numbers, progress: Progress = silent
) -> Selection:
    """Give each cluster its quota and fill it with a uniform draw."""
    del progress
    return _draw(problem, _shares(problem, quotas), lambda rows, _: np.ones(len(rows)), None)


def stratified(problem: Problem, *, quotas: str, progress: Progress = silent) -> Selection:
    """Give each stratum its quota and fill it with a uniform draw."""
    del progress
    strata = problem.strata
    assert strata is not None  # solve() looked
    shares = _shares(replace(problem, labels=strata.codes), quotas)
    selection = _draw(problem, shares, lambda rows, _: np.ones(len(rows)), None)
    names = tuple(f"{strata.by} {_short(name)}" for name in strata.names)
    return replace(
        selection,
        reasons=replace(selection.reasons, strata=names),
        settings={"by": strata.by, "strata": len(shares.names)},
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1].rstrip() + "…"


def kmeans_closest(
    problem: Problem, *, quotas: str | Numbers, progress: Progress = silent
) -> Selection:
    """Give each cluster its quota and fill it with the rows nearest to the centroid."""
    measure = "distance to the centroid"
    return _nearest(problem, quotas, lambda distances: distances, measure, progress)


def kmeans_median(problem: Problem, *, quotas: str, progress: Progress = silent) -> Selection:
    """Give each cluster its quota and fill it with the rows at a middling distance."""

    def beside_median(distances: Numbers) -> Numbers:
        return np.abs(distances - np.median(distances))

    return _nearest(
        problem,
        quotas,
        beside_median,
        "distance to the centroid differs from the median by",
        progress,
    )


def _nearest(
    problem: Problem,
    quotas: str | Numbers,
    order_by: Callable[[Numbers], Numbers],
    measure: str,
    progress: Progress,
) -> Selection:
    """Fill each cluster's quota with the rows of the lowest value; equal ones by row."""
    assert problem.features is not None  # solve() looked
    shares = _shares(problem, quotas)
    taken = problem.is_pinned.copy()
    values = np.empty(len(taken))
    order = np.argsort(shares.group, kind="stable")
    done = 0
    for members, quota in zip(
        np.split(order, np.cumsum(shares.sizes)[:-1]), shares.quotas, strict=True
    ):
        done += len(members)
        progress(done, len(order), "measuring distances to centroids")
        if not quota:
            continue
        distances = _to_centroid(problem.features, problem.candidates[members])
        values[members] = order_by(distances)
        free = members[~problem.is_pinned[members]]
        wanted = int(quota) - (len(members) - len(free))
        taken[free[np.argsort(values[free], kind="stable")[:wanted]]] = True
    selection = _selection(problem, np.flatnonzero(taken), taken.astype(float), shares, None)
    reasons = replace(selection.reasons, measure=measure, value=values[taken])
    return replace(selection, reasons=reasons)


def _to_centroid(features: NDArray[np.floating], rows: Rows) -> Numbers:
    """Distance of the unit vectors of these rows to their mean."""
    total = np.zeros(features.shape[1])
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    for block in blocks:
        total += unit(features[block]).sum(axis=0, dtype=np.float64)
    centroid = total / len(rows)
    distances = [np.linalg.norm(unit(features[block]) - centroid, axis=1) for block in blocks]
    return np.concatenate(distances)


def kmq(
    problem: Problem, *, quotas: str | Numbers, temperature: float, progress: Progress = silent
) -> Selection:
    """Give each cluster its quota and fill it in proportion to quality, without replacement.

    The draw is systematic: a row's inclusion probability is exactly min(1, c · quality) with one c
    for each cluster. Drawing one row after another in proportion to quality would give no closed
    form for it.
    """
    del progress
    quality = _quality(problem, temperature)

    def weigh(rows: Rows, wanted: int) -> Numbers:
        if temperature == 0 or not 0 < wanted < len(rows):
            return np.maximum(quality[rows], 0)
        # Against the last row that would be taken by rank: it and the better ones have weight 1 or
        # more, so nothing that matters underflows, and those cut off at exp(60) are certain.
        last = np.partition(quality[rows], len(rows) - wanted)[len(rows) - wanted]
        return np.exp(np.minimum((quality[rows] - last) / temperature, 60))

    selection = _draw(problem, _shares(problem, quotas), weigh, quality)
    chosen = problem.candidates[:0] if temperature else selection.rows[~selection.reasons.pinned]
    worthless = int(np.count_nonzero(np.asarray(problem.quality)[chosen] == 0))
    if not worthless:
        return selection
    note = (
        f"{worthless:,} chosen rows have quality 0: "
        "their clusters have too few better rows for the quota."
    )
    return replace(selection, notes=(note,))


def _quality(problem: Problem, temperature: float) -> Numbers:
    quality = finite_quality(problem, "kMQ")
    if temperature == 0 and quality.min(initial=0.0) < 0:
        row = problem.candidates[quality.argmin()]
        raise InputError(
            f"Row {row} has quality {quality.min():.6g}; kMQ needs 0 or more, "
            "or a temperature above 0."
        )
    return quality


def _shares(problem: Problem, quotas: str | Numbers) -> _Shares:
    assert problem.labels is not None  # solve() looked
    names, group, sizes = np.unique(
        np.asarray(problem.labels)[problem.candidates], return_inverse=True, return_counts=True
    )
    if isinstance(quotas, str):
        weights = sizes if quotas == "proportional" else np.ones(len(names))
    else:
        weights = quotas[names]
    pinned = np.bincount(group[problem.is_pinned], minlength=len(names))
    quota = largest_remainder(weights, problem.budget, sizes, pinned)
    return _Shares(names.astype(np.int64), group, sizes, quota)


def _draw(
    problem: Problem,
    shares: _Shares,
    weigh: Callable[[Rows, int], Numbers],
    quality: Numbers | None,
) -> Selection:
    generator = problem.generator
    inclusion = problem.is_pinned.astype(np.float64)
    taken = problem.is_pinned.copy()
    order = np.argsort(shares.group, kind="stable")
    for members, quota in zip(
        np.split(order, np.cumsum(shares.sizes)[:-1]), shares.quotas, strict=True
    ):
        free = members[~problem.is_pinned[members]]
        wanted = int(quota) - (len(members) - len(free))
        if not wanted:
            generator.random()  # what the draw of no rows takes
            continue
        inclusion[free] = inclusion_probabilities(weigh(free, wanted), wanted)
        taken[free[systematic(inclusion[free], generator)]] = True
    return _selection(problem, np.flatnonzero(taken), inclusion, shares, quality)


def _selection(
    problem: Problem,
    taken: Rows,
    inclusion: Numbers,
    shares: _Shares | None,
    quality: Numbers | None,
) -> Selection:
    group = shares.group[taken] if shares else None
    reasons = Reasons(
        pinned=problem.is_pinned[taken],
        cluster=shares.names[group] if shares else None,
        quota=shares.quotas[group] if shares else None,
        size=shares.sizes[group] if shares else None,
        quality=quality[taken] if quality is not None else None,
    )
    return Selection(
        rows=problem.candidates[taken],
        probabilities=inclusion[taken],
        support=int(np.count_nonzero(inclusion)),
        reasons=reasons,
        distribution=inclusion / problem.budget,
        settings={"clusters": len(shares.names)} if shares else {},
    )
