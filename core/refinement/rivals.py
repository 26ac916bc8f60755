"""A refinement beside what it has to beat: the same draw in one go, and Random, at one budget."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.compare import CompareReport, Comparison, compare_rows
from core.errors import InputError, command
from core.features import load_features
from core.progress import Progress, silent
from core.project import Project
from core.refinement.draw import Standing
from core.refinement.plan import Plan
from core.refinement.result import decisions_of, part_of, standing_of, subset_mask
from core.refinement.steps import Ground, ground_of
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


# By the rule within a cluster.
_RULES = {
    "kmq": _Static("kmq", "static kMQ"),
    "random": _Static("kmeans-random", "static k-means random"),
    "closest": _Static("kmeans-closest", "static k-means closest"),
}


def static_label(plan: Plan) -> str:
    """What the static draw of a plan is called; no run can have this name, for it has blanks."""
    return _RULES[plan.within].label


def beside_static(
    project: Project, name: str, *, stored: bool = False, progress: Progress = silent
) -> Comparison:
    """Set the rows of a refinement's finished rounds beside a static draw of as many, and Random.

    The static draw is what `core.runs.select` gives for the rule of arXiv 2409.11378 with the
    refinement's own quotas, quality, temperature, seed, features and clusters: all rows at once,
    and no weights. It and Random draw from the rows that the last finished round drew from, and
    take the rows that were pinned then. Neither is stored as a run; metrics are kept as those of
    `core.compare.compare_runs` are.

    Parameters
    ----------
    stored : take only metrics that are there, and measure nothing.

    Returns
    -------
    Comparison
        With the refinement's name first and `static_label` second; `Comparison.random` is Random.

    Raises
    ------
    InputError
        There is no such refinement, none of its rounds is finished, or what it was started on is
        gone.
    """
    refinement = open_refinement(project, name)
    rounds, plan = refinement.rounds(), refinement.plan
    if not rounds:
        todo = command("refine", "step", project.root, "--name", name)
        raise InputError(f"{name} has no finished round to compare yet; {todo} does one.")
    ground = ground_of(project, plan)
    last = rounds[-1].drawn
    start = standing_of([], ground.labels, last.dropped, last.pinned)
    rows = np.flatnonzero(subset_mask([part_of(one) for one in rounds], ground.pool.rows))
    rival = _draw(refinement, ground, start, len(rows), progress)
    return compare_rows(
        ground.project,
        {name: rows, static_label(plan): rival},
        decisions_of(start),
        stored=stored,
        progress=progress,
    )


def measure_beside(project: Project, *, name: str, progress: Progress = silent) -> CompareReport:
    """Measure, so that `beside_static` answers at once; the stage behind the page."""
    started = time.perf_counter()
    found = beside_static(project, name, progress=progress)
    return CompareReport(tuple(found.budgets), round(time.perf_counter() - started, 3))


def _draw(
    refinement: Refinement, ground: Ground, start: Standing, budget: int, progress: Progress
) -> NDArray[np.int64]:
    plan = refinement.plan
    problem = Problem(
        load_features(ground.project).vectors if plan.within == "closest" else None,
        start.candidates,
        budget,
        labels=ground.labels,
        quality=refinement.quality,
        pinned=start.first,
        seed=plan.seed,
    )
    options: dict[str, Any] = {"quotas": plan.quotas}
    if plan.within == "kmq":
        options["temperature"] = plan.temperature
    return solve(_RULES[plan.within].rule, problem, progress=progress, **options).rows
