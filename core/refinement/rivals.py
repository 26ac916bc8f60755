"""A refinement beside what it has to beat: the same draw in one go, and Random, at one budget."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.compare import CompareReport, Comparison, compare_rows
from core.errors import InputError, command
from core.features import load_features
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project
from core.quality import quality_of
from core.refinement.draw import Standing
from core.refinement.own_scores import scorer_of
from core.refinement.plan import Plan
from core.refinement.registry import find_scorer
from core.refinement.result import decisions_of, part_of, standing_of, subset_mask
from core.refinement.scorers.whole_pool import PoolScorer
from core.refinement.steps import Ground, ground_of, quality_now
from core.refinement.store import Refinement, open_refinement
from core.selection import Problem, solve

STATIC_MAY_WIN = (
    "Rounds do not always pay: in the papers' own tables static kMQ wins on some benchmarks."
)


@dataclass(frozen=True)
class _Static:
    """A rule of `core.selection.RULES` that draws in one go, and what its draw is called."""

    rule: str
    label: str


_KMQ = _Static("kmq", "static kMQ")
# By the rule within a cluster: the same draw without rounds, and the papers' rival.
_RIVALS = {
    "kmq": (_KMQ,),
    "random": (_Static("kmeans-random", "static k-means random"), _KMQ),
    "closest": (_Static("kmeans-closest", "static k-means closest"), _KMQ),
}
_STAND_IN = "heuristic:length"  # quality, where neither the plan nor the pool has any


def static_labels(plan: Plan) -> tuple[str, ...]:
    """What the static draws beside a plan are called; no run can have these names, with blanks."""
    return tuple(one.label for one in _RIVALS[plan.within])


def kmq_quality(pool: Pool, plan: Plan) -> str:
    """The quality that the static kMQ goes by, for people."""
    if plan.within == "kmq":
        scorer = scorer_of(plan.quality)
        return (scorer or plan.quality) or "the file of scores"
    column = pool.quality_column()
    if column is None:
        return _STAND_IN
    # Without a temperature kMQ takes no other numbers.
    values = pool.numbers(column, gaps=True)
    return column if (np.isfinite(values) & (values >= 0)).all() and values.any() else _STAND_IN


def beside_static(
    project: Project, name: str, *, stored: bool = False, progress: Progress = silent
) -> Comparison:
    """Set the rows of a refinement's finished rounds beside static draws of as many, and Random.

    A static draw is what `core.runs.select` gives for a rule of arXiv 2409.11378 with the
    refinement's own quotas, quality, temperature, seed, features and clusters: all rows at once,
    and no weights. kMQ is always one of them; without a quality of the refinement it goes by
    `kmq_quality`. They and Random draw from the rows that the last finished round drew from, and
    take the rows that were pinned then. None is stored as a run; metrics are kept as those of
    `core.compare.compare_runs` are.

    Parameters
    ----------
    stored : take only metrics that are there, and measure nothing.

    Returns
    -------
    Comparison
        With the refinement's name first, then `static_labels`; `Comparison.random` is Random.

    Raises
    ------
    InputError
        There is no such refinement, none of its rounds is finished, or what it was started on is
        gone.
    """
    ground, start, chosen = _row_sets(project, name, progress)
    return compare_rows(
        ground.project, chosen, decisions_of(start), stored=stored, progress=progress
    )


def mean_scores(project: Project, name: str) -> dict[str, float]:
    """Mean score of the same sets of rows, and under "" that of all rows they were drawn from.

    Empty for a scorer that does not score the whole pool. Rows without a score are left out.

    Raises
    ------
    InputError
        As `beside_static`.
    """
    ground, start, chosen = _row_sets(project, name, silent)
    plan = open_refinement(project, name).plan
    scorer = find_scorer(plan.scorer).make(plan.scorer_options, ground.place)
    if not isinstance(scorer, PoolScorer):
        return {}
    values = scorer.all_rows(ground.pool, progress=silent)
    sets = {**chosen, "": start.candidates}
    scored = {label: values[rows][~np.isnan(values[rows])] for label, rows in sets.items()}
    return {label: float(found.mean()) for label, found in scored.items() if len(found)}


def _row_sets(
    project: Project, name: str, progress: Progress
) -> tuple[Ground, Standing, dict[str, NDArray[np.int64]]]:
    """What a refinement and its rivals drew from, and the rows of each, by label."""
    refinement = open_refinement(project, name)
    rounds, plan = refinement.rounds(), refinement.plan
    if not rounds:
        todo = command("refine", "step", project.root, "--name", name)
        raise InputError(f"{name} has no finished round to compare yet; {todo} does one.")
    ground = ground_of(project, plan)
    last = rounds[-1].drawn
    start = standing_of([], ground.labels, last.dropped, last.pinned)
    rows = np.flatnonzero(subset_mask([part_of(one) for one in rounds], ground.pool.rows))
    rivals = {
        rival.label: _draw(rival, refinement, ground, start, len(rows), progress)
        for rival in _RIVALS[plan.within]
    }
    return ground, start, {name: rows, **rivals}


def measure_beside(project: Project, *, name: str, progress: Progress = silent) -> CompareReport:
    """Measure, so that `beside_static` answers at once; the stage behind the page."""
    started = time.perf_counter()
    found = beside_static(project, name, progress=progress)
    return CompareReport(tuple(found.budgets), round(time.perf_counter() - started, 3))


def _draw(
    rival: _Static,
    refinement: Refinement,
    ground: Ground,
    start: Standing,
    budget: int,
    progress: Progress,
) -> NDArray[np.int64]:
    plan, pool = refinement.plan, ground.pool
    quality = quality_now(refinement, ground, progress=progress) if plan.within == "kmq" else None
    options: dict[str, Any] = {"quotas": plan.quotas}
    if rival is _KMQ:
        quality = quality_of(pool, kmq_quality(pool, plan)) if quality is None else quality
        options["temperature"] = plan.temperature
    problem = Problem(
        load_features(ground.project).vectors if rival.rule == "kmeans-closest" else None,
        start.candidates,
        budget,
        labels=ground.labels,
        quality=quality,
        pinned=start.first,
        seed=plan.seed,
    )
    return solve(rival.rule, problem, progress=progress, **options).rows
