"""Rules that go by quality and leave out what is much like rows that they have (Deita, QDIT)."""

from dataclasses import replace

import numpy as np

from core.progress import Progress, silent
from core.selection.alike import ROUNDING, Apart
from core.selection.base import Problem, Selection, finite_quality
from core.selection.cover import greedy, in_order
from core.selection.rows import gather

_BLOCK = 512  # rows between two reports of progress


def deita(problem: Problem, *, duplicate_cosine: float, progress: Progress = silent) -> Selection:
    """Go down by quality and take each row that is not much like one taken before.

    The order is by the quality alone, where the paper multiplies two scores; equal ones by row.
    Where this takes too few rows, the best of the others follow.
    """
    quality = finite_quality(problem, "Deita")
    rows = gather(problem, "Deita", as_unit=True)
    pinned = np.flatnonzero(problem.is_pinned)
    down = np.argsort(-quality, kind="stable")
    down = down[~problem.is_pinned[down]]
    taken = np.empty(problem.budget, np.int64)
    taken[: len(pinned)] = pinned
    count = len(pinned)
    apart = Apart(rows.shape[1], duplicate_cosine - ROUNDING)
    apart.add(rows[pinned])
    for start in range(0, len(down), _BLOCK):
        if count == problem.budget:
            break
        progress(count, problem.budget, "comparing rows with better ones")
        block = down[start : start + _BLOCK]
        new = apart.take(rows[block], problem.budget - count)
        taken[count : count + len(new)] = block[new]
        count += len(new)
    notes: tuple[str, ...] = ()
    if count < problem.budget:
        missing = problem.budget - count
        rest = down[~np.isin(down, taken[:count])]
        taken[count:] = rest[:missing]
        notes = (
            f"Only {count:,} rows have a cosine below {duplicate_cosine:g} to those taken before "
            f"them; the last {missing:,} are the best of the others.",
        )
    values = quality[taken]
    return replace(in_order(problem, taken, values, "quality"), notes=notes)


def qdit(
    problem: Problem, *, quality_weight: float, epsilon: float, progress: Progress = silent
) -> Selection:
    """Choose greedily by (1 − α) · coverage + α · quality.

    Coverage is the mean over the candidates of the largest cosine to a chosen row (below 0: 0),
    quality the mean over the chosen rows of a quality that is scaled to [0, 1] over the
    candidates: each of the two ends at 1 at most, whatever the numbers of rows.
    """
    quality = finite_quality(problem, "QDIT")
    rows = gather(problem, "QDIT", as_unit=True)
    low, high = quality.min(), quality.max()
    scaled = (quality / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0 * quality
    found = greedy(
        problem,
        rows,
        weight=(1 - quality_weight) / len(rows),
        bonus=quality_weight / problem.budget * scaled,
        epsilon=epsilon,
        progress=progress,
    )
    return replace(
        in_order(problem, found.order, found.values, "coverage and quality added"),
        settings={"rows_looked_at": found.sample or len(rows)},
    )
