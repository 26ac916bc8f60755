"""Compare: the metrics of runs side by side, beside Random at the same budget."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.clusters import load_clusters
from core.compare_groups import Groups, count_groups
from core.compare_measure import Bench, Sample, metric_key
from core.decisions import Decisions, load_decisions
from core.errors import InputError
from core.metrics import METRICS
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project
from core.recipe import target_of
from core.runs import Run, load_run
from core.selection import Problem, solve
from core.sources import RANDOM_SEEDS

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
    metrics : values by id of `core.metrics.METRICS`; those without a value are left out. Every run
        is measured against all target sets that one of them was made for, under ``id:target set``;
        under the id alone is that of its own target set, or of the only one there is. What was not
        measured yet is left out, here and in `random`.
    random : the same metrics of Random at the run's budget.
    budgets : rows of each run.
    targets : the target set of each run; None for a rule that uses none, or where it is gone.
    overlaps : every pair of runs.
    sources, clusters : how the rows spread; clusters are None where there are none.
    drawn : the rows that Random draws for each run with seed 0, ascending.
    is_measured : whether every run has all its metrics.
    """

    metrics: dict[str, dict[str, float]]
    random: dict[str, dict[str, Spread]]
    budgets: dict[str, int]
    targets: dict[str, str | None]
    overlaps: tuple[Overlap, ...]
    sources: Groups
    clusters: Groups | None
    drawn: dict[str, Rows]
    is_measured: bool

    @property
    def aims(self) -> tuple[str, ...]:
        """The different target sets, in the order of the runs."""
        return _aims(self.targets)


@dataclass(frozen=True)
class CompareReport:
    """What a comparison in the background did: the runs that are measured now."""

    runs: tuple[str, ...]
    seconds: float


def compare_runs(
    project: Project,
    names: Sequence[str],
    *,
    seeds: int = RANDOM_SEEDS,
    stored: bool = False,
    progress: Progress = silent,
) -> Comparison:
    """Measure runs, and Random at the same budgets, on the features and clusters in use.

    Random draws from the kept rows and from those that the run chose, which may have been dropped
    since; it takes the pinned rows, as every run does. Metrics are kept in the project, so that a
    second look takes no time while rows, decisions, features and clusters are the same.

    Parameters
    ----------
    names : different runs, at least one.
    seeds : draws of Random for each budget, at least 1.
    stored : take only metrics that are there, and measure nothing.

    Raises
    ------
    InputError
        No name, a name twice, or an unknown run; there are no features; a target set cannot be
        encoded with the features in use.
    """
    _check(names)
    project = project.snapshot()
    runs = [load_run(project, name) for name in names]
    return compare_rows(
        project,
        {run.id: run.rows for run in runs},
        load_decisions(project, Pool.open(project).rows),
        targets={run.id: target_of(run.recipe_path, project) for run in runs},
        seeds=seeds,
        stored=stored,
        progress=progress,
    )


def compare_rows(
    project: Project,
    chosen: Mapping[str, Rows],
    decisions: Decisions,
    *,
    targets: Mapping[str, str | None] | None = None,
    seeds: int = RANDOM_SEEDS,
    stored: bool = False,
    progress: Progress = silent,
) -> Comparison:
    """Measure named sets of rows as `compare_runs` measures runs, whether they are runs or not.

    Parameters
    ----------
    project : a snapshot, so that features and clusters belong together.
    chosen : int64 ndarrays by name, ascending; at least one set.
    decisions : which rows Random may draw, and must.
    targets : the target set of each set of rows; default: none has one.

    Raises
    ------
    InputError
        There are no features, or a target set cannot be encoded with them; fewer seeds than 1.
    """
    if seeds < 1:
        raise InputError(f"The number of seeds must be at least 1, got {seeds}.", option="seeds")
    pool, clusters, names = Pool.open(project), load_clusters(project), list(chosen)
    of_run = {name: (targets or {}).get(name) for name in names}
    draws = {name: _draws(decisions, rows, seeds) for name, rows in chosen.items()}
    aims = _aims(of_run)
    samples = {
        name: [Sample(rows, aims) for rows in (chosen[name], *draws[name])] for name in names
    }
    bench = Bench(project, pool, decisions.candidates)
    if not stored:
        bench.measure([*itertools.chain.from_iterable(samples.values())], progress=progress)
    metrics, random, complete = {}, {}, True
    for name in names:
        found = [bench.known(sample) for sample in samples[name]]
        complete &= all(whole for _, whole in found)
        own, *drawn = [_with_own(values, of_run[name], aims) for values, _ in found]
        if own and all(drawn):
            metrics[name], random[name] = own, _spread(drawn)
    sources, kept = pool.sources(), decisions.candidates
    return Comparison(
        metrics,
        random,
        {name: len(rows) for name, rows in chosen.items()},
        of_run,
        tuple(_overlap(a, b, chosen) for a, b in itertools.combinations(names, 2)),
        count_groups(sources.codes, tuple(sources.names), kept, chosen),
        count_groups(clusters.labels, tuple(clusters.titles), kept, chosen) if clusters else None,
        {name: draws[name][0] for name in names},
        complete,
    )


def measure_runs(
    project: Project, *, runs: Sequence[str], progress: Progress = silent
) -> CompareReport:
    """Measure runs, so that `compare_runs` answers at once; the stage behind the page."""
    started = time.perf_counter()
    compare_runs(project, runs, progress=progress)
    return CompareReport(tuple(runs), round(time.perf_counter() - started, 3))


def reasons(run: Run, rows: Rows) -> pa.Table:
    """Return the columns row, probability, cluster and why of some rows of a run, likeliest first.

    Parameters
    ----------
    rows : int64 ndarray
        Row numbers; those that the run did not choose are left out.
    """
    table = run.table
    table = table.filter(pa.array(np.isin(table["row"].to_numpy(), rows)))
    return table.take(np.argsort(-table["probability"].to_numpy(), kind="stable"))


def _aims(targets: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(target for target in targets.values() if target))


def _with_own(
    values: dict[str, float], target: str | None, aims: tuple[str, ...]
) -> dict[str, float]:
    """Metrics, and those of the run's own target set under their ids alone."""
    own = target or (aims[0] if len(aims) == 1 else None)
    keys = {metric: metric_key(metric, own) for metric in METRICS} if own else {}
    return values | {metric: values[key] for metric, key in keys.items() if key in values}


def _check(names: Sequence[str]) -> None:
    if not names:
        raise InputError("Name at least one run to compare.")
    twice = [name for name in dict.fromkeys(names) if list(names).count(name) > 1]
    if twice:
        raise InputError(f"The run {twice[0]!r} is named twice; name each run once.")


def _draws(decisions: Decisions, chosen: Rows, seeds: int) -> list[Rows]:
    """What Random draws at the budget of a run, once for each seed."""
    budget, pinned = len(chosen), decisions.pinned_rows
    eligible = ~decisions.dropped
    eligible[chosen] = True
    problem = Problem(
        features=None,
        candidates=np.flatnonzero(eligible),
        budget=budget,
        # More may have been pinned since than the run has rows.
        pinned=pinned if len(pinned) <= budget else pinned[:0],
    )
    return [solve("random", replace(problem, seed=seed)).rows for seed in range(seeds)]


def _spread(values: list[dict[str, float]]) -> dict[str, Spread]:
    """Mean and deviation of the metrics that every seed has."""
    spreads = {}
    for metric in values[0]:
        found = [of_seed[metric] for of_seed in values if metric in of_seed]
        if len(found) == len(values):
            spreads[metric] = Spread(float(np.mean(found)), float(np.std(found)))
    return spreads


def _overlap(first: str, second: str, chosen: Mapping[str, Rows]) -> Overlap:
    a, b = chosen[first], chosen[second]
    return Overlap(
        first,
        second,
        np.intersect1d(a, b, assume_unique=True),
        np.setdiff1d(a, b, assume_unique=True),
        np.setdiff1d(b, a, assume_unique=True),
    )
