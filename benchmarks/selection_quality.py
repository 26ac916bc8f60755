"""How good the selections are: every rule on twenty target tasks, and a pool full of copies.

    python -m benchmarks.selection_quality PROJECT --data ../shared/data
    python -m benchmarks.selection_quality PROJECT --data ../shared/data --copies

PROJECT holds the mixed pool with the features to measure and clusters (`init`, `embed`, `cluster`);
the target sets are added to it. Each rule takes 1,000 rows with its defaults, three seeds; TSDS
as published too (α 0.6, σ 0.75, C 5, 1,000 draws with replacement). A target's first 50 rows are
its examples, the others are held out. Prints Markdown tables of means over the targets:

- right: share of the rows that come from the sources that `targets.json` names for the task.
- held-out: mean distance of a held-out row to the nearest chosen one; OT: cost of transport.
- near-duplicates: share of the chosen rows with another one above cosine 0.95.

With `--copies`, 1 % of the rows are repeated 10, 100 and 1,000 times, and what counts is how many
different rows are among the 1,000, as arXiv 2410.11303 tests it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.clusters import load_clusters
from core.features import load_features
from core.metrics_functions import (
    density,
    distinct,
    near_duplicates,
    nearest_distances,
    novelsum,
    target_knn,
    target_ot,
    unit_rows,
)
from core.pool import Pool
from core.project import Project
from core.selection import RULES, Problem, Strata, solve
from core.target_features import encode_target
from core.targets import add_target, list_targets

BUDGET, SEEDS = 1000, 3
BASE = "round-robin"  # what the others are held against
PUBLISHED = "tsds-kde, as published"
PUBLISHED_SETTINGS = {
    "diversity_weight": 0.4,
    "scale": 5.0,
    "sigma": 0.75,
    "density_neighbors": 1000,
}
COPIED = ("random", "mean-similarity", "round-robin", "tsds-uniform", "tsds-kde")


@dataclass(frozen=True)
class Task:
    """A target task: its examples, rows held out, and which pool rows are right."""

    name: str
    examples: np.ndarray
    held_out: np.ndarray
    right: np.ndarray


class Bench:
    """The pool and the tasks."""

    def __init__(self, project: Project, data: Path) -> None:
        self.project, self.data = project, data
        pool = Pool.open(project)
        self.vectors = unit_rows(np.asarray(load_features(project).vectors))
        self.labels = load_clusters(project).labels
        self.sources, self.subsets = (pool.categories(name) for name in ("source", "subset"))
        self.quality = pool.lengths().astype(np.float64)  # no scores are there: a stand-in

    @cached_property
    def density(self) -> np.ndarray:
        return density(self.vectors, self.vectors[distinct(self.vectors)])  # as compare has it

    def problem(self, examples: np.ndarray | None = None) -> Problem:
        codes, names = self.sources.codes, tuple(self.sources.names)
        return Problem(
            self.vectors,
            np.arange(len(self.vectors)),
            BUDGET,
            targets=examples,
            labels=self.labels,
            strata=Strata("source", codes, names),
            quality=self.quality,
        )

    def tasks(self) -> Iterator[Task]:
        """Those that have sources of their own."""
        described = json.loads((self.data / "targets.json").read_text("utf-8"))["targets"]
        there = {target.name for target in list_targets(self.project)}
        for name, about in described.items():
            if not about["expected"]:
                continue
            table = pq.read_table(self.data / "targets" / f"target_{name}.parquet")
            vectors = []
            for use in ("query", "holdout"):
                if f"{name}-{use}" not in there:
                    self._add(f"{name}-{use}", table.filter(pc.equal(table["use"], use)))
                vectors.append(encode_target(self.project, f"{name}-{use}"))
            yield Task(name, vectors[0], vectors[1], self._right(about["expected"]))

    def _add(self, name: str, table: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            pq.write_table(table.drop_columns(["use"]), path)
            add_target(self.project, name, [path])

    def _right(self, expected: list[str]) -> np.ndarray:
        """Pool rows of any SOURCE, or SOURCE:SUBSET (how it begins), that is expected."""
        right = np.zeros(len(self.vectors), bool)
        for place in expected:
            source, _, subset = place.partition(":")
            of_source = self.sources.codes == list(self.sources.names).index(source)
            if subset:
                begins = [name.startswith(subset) for name in self.subsets.names]
                of_source &= np.array(begins)[self.subsets.codes]
            right |= of_source
        return right


def choose(rule: str, problem: Problem) -> np.ndarray:
    """The rows that a rule chooses."""
    if rule != PUBLISHED:
        return solve(rule, problem).rows
    wanted = solve("tsds-kde", problem, **PUBLISHED_SETTINGS).distribution
    return problem.generator.choice(len(wanted), BUDGET, p=wanted / wanted.sum())


def measure(bench: Bench, rows: np.ndarray, task: Task) -> dict[str, float]:
    """The metrics of chosen rows; of rows drawn twice, `right` counts both draws."""
    different = np.unique(rows)
    chosen = bench.vectors[different]
    gaps = nearest_distances(chosen)
    return {
        "right": float(task.right[rows].mean()),
        "held-out": target_knn(chosen, task.held_out),
        "OT": target_ot(chosen, task.held_out),
        "near-duplicates": near_duplicates(chosen, gaps),
        "NovelSum": novelsum(chosen, np.arange(len(chosen)), bench.density[different]),
        "different rows": len(different),
    }


def compare(bench: Bench, rules: list[str]) -> None:
    """Measure the rules on all tasks and print the tables, a line as soon as it is known."""
    tasks = list(bench.tasks())
    rules = [BASE, *(rule for rule in rules if rule != BASE)]
    found = {}
    for rule in rules:
        aimed = rule == PUBLISHED or RULES[rule].needs_target
        found[rule] = _aimed(bench, rule, tasks) if aimed else _free(bench, rule, tasks)
        if rule == BASE:
            metrics = list(next(iter(found[BASE].values())))
            print("| rule |", " | ".join(metrics), "| nearer than round robin |")
            print("|---|" + "---:|" * (len(metrics) + 1))
        _print_means(rule, found[rule], found[BASE])
    _print_tasks(found, (BASE, "tsds-kde"))


def _aimed(bench: Bench, rule: str, tasks: list[Task]) -> dict[str, dict[str, float]]:
    """The mean metrics over the seeds by task, of a rule that looks at the examples."""
    found = {}
    for task in tasks:
        problem = bench.problem(task.examples)
        started = time.perf_counter()
        drawn = [choose(rule, problem)]
        seconds = time.perf_counter() - started
        # What the first seed worked out, the others remember.
        drawn += [choose(rule, replace(problem, seed=seed)) for seed in range(1, SEEDS)]
        found[task.name] = _mean(bench, drawn, task, seconds)
    return found


def _free(bench: Bench, rule: str, tasks: list[Task]) -> dict[str, dict[str, float]]:
    """As `_aimed`, of a rule that chooses the same rows for every task."""
    started = time.perf_counter()
    drawn = [choose(rule, replace(bench.problem(), seed=seed)) for seed in range(SEEDS)]
    seconds = (time.perf_counter() - started) / SEEDS
    return {task.name: _mean(bench, drawn, task, seconds) for task in tasks}


def _mean(bench: Bench, drawn: list[np.ndarray], task: Task, seconds: float) -> dict[str, float]:
    different = {rows.tobytes(): rows for rows in drawn}  # many rules need no seed
    known = {key: measure(bench, rows, task) for key, rows in different.items()}
    measured = [known[rows.tobytes()] for rows in drawn]
    means = {metric: np.mean([one[metric] for one in measured]) for metric in measured[0]}
    return {metric: float(mean) for metric, mean in means.items()} | {"seconds": seconds}


def _print_means(
    rule: str, tasks: dict[str, dict[str, float]], base: dict[str, dict[str, float]]
) -> None:
    means = np.mean([list(metrics.values()) for metrics in tasks.values()], axis=0)
    nearer = sum(tasks[name]["held-out"] <= base[name]["held-out"] + 1e-9 for name in base)
    cells = [f"{mean:.3f}" if mean < 100 else f"{mean:,.0f}" for mean in means]
    print(f"| {rule} |", " | ".join(cells), f"| {nearer} of {len(tasks)} |", flush=True)


def _print_tasks(found: dict[str, dict[str, dict[str, float]]], rules: tuple[str, str]) -> None:
    if not all(rule in found for rule in rules):
        return
    shown = ("right", "held-out", "near-duplicates")
    heads = [f"{metric}, {rule}" for metric in shown for rule in rules]
    print("\n| target |", " | ".join(heads), "|")
    print("|---|" + "---:|" * len(heads))
    for name in found[BASE]:
        cells = [f"{found[rule][name][metric]:.3f}" for metric in shown for rule in rules]
        print(f"| {name} |", " | ".join(cells), "|")


def copies(bench: Bench) -> None:
    """Repeat 1 % of the rows and print how many different ones each rule still takes."""
    rng = np.random.default_rng(0)
    repeated = rng.choice(len(bench.vectors), len(bench.vectors) // 100, replace=False)
    print("| copies |", " | ".join(COPIED), "|")
    print("|---:|" + "---:|" * len(COPIED))
    tasks = list(bench.tasks())[::4]
    for times in (1, 10, 100, 1000):
        origin = np.concatenate([np.arange(len(bench.vectors)), np.repeat(repeated, times - 1)])
        pool = bench.vectors[origin].astype(np.float16)
        cells = []
        for rule in COPIED:
            different = []
            for task in tasks:
                rows = np.arange(len(pool))
                problem = Problem(pool, rows, BUDGET, targets=task.examples, seed=0)
                different.append(len(np.unique(origin[solve(rule, problem).rows])))
            cells.append(f"{np.mean(different):.0f}")
        print(f"| {times:,} |", " | ".join(cells), "|", flush=True)


def main() -> None:
    """Run one of the two tests."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--copies", action="store_true")
    parser.add_argument("--rules", nargs="+", default=[*RULES, PUBLISHED])
    options = parser.parse_args()
    bench = Bench(Project.open(options.project), options.data)
    if options.copies:
        copies(bench)
    else:
        compare(bench, options.rules)


if __name__ == "__main__":
    main()
