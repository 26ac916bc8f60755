"""Compare: the metrics of runs side by side, beside Random at the same budget."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.clusters import load_clusters
from core.decisions import load_decisions
from core.errors import InputError
from core.features import load_features
from core.metrics import Subset, measure, measure_target
from core.metrics_functions import (
    COVERED_ROWS,
    NOVEL_ROWS,
    density,
    distinct,
    sampled,
    unit_rows,
)
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project
from core.recipe import read_recipe
from core.runs import Run, load_run
from core.selection import Problem, solve
from core.sources import RANDOM_SEEDS
from core.target_features import encode_target

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """A metric of Random: mean and standard deviation over the seeds."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Overlap:
    """What two runs have in common; rows are int64 and ascending."""

    first: str
    second: str
    shared: Rows
    only_first: Rows
    only_second: Rows

    @property
    def share(self) -> float:
        """Shared rows over the budget of the smaller run."""
        smaller = min(len(self.only_first), len(self.only_second))
        return len(self.shared) / (len(self.shared) + smaller)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; every dict has the runs' names, in the order given.

    Attributes
    ----------
    metrics : values by id of `core.metrics.METRICS`; those without a value are left out.
    random : the same metrics of Random at the run's budget.
    budgets : rows of each run.
    targets : the target set of each run, None for a rule that uses none.
    overlaps : every pair of runs.
    """

    metrics: dict[str, dict[str, float]]
    random: dict[str, dict[str, Spread]]
    budgets: dict[str, int]
    targets: dict[str, str | None]
    overlaps: tuple[Overlap, ...]


def compare_runs(
    project: Project,
    names: Sequence[str],
    *,
    seeds: int = RANDOM_SEEDS,
    progress: Progress = silent,
) -> Comparison:
    """Measure runs, and Random at the same budgets, on the features and clusters in use.

    Random draws from the kept rows and from those that the runs chose, which may have been dropped
    since; it takes the pinned rows, as every run does.

    Parameters
    ----------
    names : different runs, at least one.
    seeds : draws of Random for each budget, at least 1.

    Raises
    ------
    InputError
        No name, a name twice, or an unknown run; there are no features; a target set cannot be
        encoded with the features in use.
    """
    _check(names, seeds)
    project = project.snapshot()
    runs = [load_run(project, name) for name in names]
    pool = Pool.open(project)
    chosen = {run.id: run.rows for run in runs}
    targets = {run.id: _target(run) for run in runs}
    budgets = {name: len(rows) for name, rows in chosen.items()}
    vectors = {
        name: unit_rows(encode_target(project, name, progress=progress))
        for name in dict.fromkeys(filter(None, targets.values()))
    }
    kept, draws = _draws(project, pool, list(chosen.values()), seeds)
    every = [*chosen.values(), *itertools.chain.from_iterable(draws.values())]
    bench = _Bench(project, pool, kept, every, progress)

    def measured(rows: Rows, wanted: set[str | None]) -> dict[str | None, dict[str, float]]:
        """The metrics of rows for every target set that is wanted, None for those without."""
        progress(next(count), len(every), "measuring")
        subset = bench.subset(rows)
        common = measure(subset)
        return {
            target: common | (measure_target(subset.vectors, vectors[target]) if target else {})
            for target in wanted
        }

    count = itertools.count()
    metrics = {
        name: measured(rows, {targets[name]})[targets[name]] for name, rows in chosen.items()
    }
    random = {}
    for budget, drawn in draws.items():
        wanted = {targets[name] for name in names if budgets[name] == budget}
        random[budget] = [measured(rows, wanted) for rows in drawn]
    return Comparison(
        metrics,
        {
            name: _spread([values[targets[name]] for values in random[budgets[name]]])
            for name in names
        },
        budgets,
        targets,
        tuple(_overlap(a, b, chosen) for a, b in itertools.combinations(names, 2)),
    )


class _Bench:
    """What the subsets of one project are measured against."""

    def __init__(
        self, project: Project, pool: Pool, kept: Rows, every: list[Rows], progress: Progress
    ) -> None:
        self._vectors = load_features(project).vectors
        self._clusters = load_clusters(project)
        self._sources, self._lengths = pool.sources(), pool.lengths()
        self._kept = unit_rows(self._vectors[kept[sampled(len(kept), COVERED_ROWS)]])
        # The pool is searched once, for the rows of all subsets.
        dense = np.unique(np.concatenate([rows[_novel(rows)] for rows in every]))
        first = distinct(self._vectors)
        base = self._vectors if len(first) == len(self._vectors) else self._vectors[first]
        self._density = np.full(pool.rows, np.nan)
        self._density[dense] = density(self._vectors[dense], base, progress=progress)

    def subset(self, rows: Rows) -> Subset:
        novel, clusters = _novel(rows), self._clusters
        return Subset(
            vectors=unit_rows(self._vectors[rows]),
            pool=self._kept,
            lengths=self._lengths[rows],
            sources=self._sources.codes[rows],
            n_sources=len(self._sources.names),
            novel=novel,
            density=self._density[rows[novel]],
            labels=clusters.labels[rows] if clusters else None,
            n_clusters=len(clusters.sizes) if clusters else 0,
        )


def _novel(rows: Rows) -> Rows:
    return sampled(len(rows), NOVEL_ROWS)


def _check(names: Sequence[str], seeds: int) -> None:
    if not names:
        raise InputError("Name at least one run to compare.")
    twice = [name for name in dict.fromkeys(names) if list(names).count(name) > 1]
    if twice:
        raise InputError(f"The run {twice[0]!r} is named twice; name each run once.")
    if seeds < 1:
        raise InputError(f"The number of seeds must be at least 1, got {seeds}.", option="seeds")


def _target(run: Run) -> str | None:
    target: str | None = read_recipe(run.recipe_path)["selection"]["target"]
    return target


def _draws(
    project: Project, pool: Pool, chosen: list[Rows], seeds: int
) -> tuple[Rows, dict[int, list[Rows]]]:
    """The kept rows, and what Random draws at each budget."""
    decisions = load_decisions(project, pool.rows)
    eligible = np.union1d(decisions.candidates, np.concatenate(chosen))
    pinned = decisions.pinned_rows
    draws = {
        budget: [
            solve(
                "random",
                Problem(
                    features=None,
                    candidates=eligible,
                    budget=budget,
                    # More may have been pinned since than the run has rows.
                    pinned=pinned if len(pinned) <= budget else pinned[:0],
                    seed=seed,
                ),
            ).rows
            for seed in range(seeds)
        ]
        for budget in sorted({len(rows) for rows in chosen})
    }
    return decisions.candidates, draws


def _spread(values: list[dict[str, float]]) -> dict[str, Spread]:
    """Mean and deviation of the metrics that every seed has."""
    spreads = {}
    for metric in values[0]:
        found = [of_seed[metric] for of_seed in values if metric in of_seed]
        if len(found) == len(values):
            spreads[metric] = Spread(float(np.mean(found)), float(np.std(found)))
    return spreads


def _overlap(first: str, second: str, chosen: dict[str, Rows]) -> Overlap:
    a, b = chosen[first], chosen[second]
    return Overlap(
        first,
        second,
        np.intersect1d(a, b, assume_unique=True),
        np.setdiff1d(a, b, assume_unique=True),
        np.setdiff1d(b, a, assume_unique=True),
    )
