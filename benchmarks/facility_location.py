"""Facility location against apricot-select and submodlib-py: the same objective, and seconds.

    pip install apricot-select submodlib-py
    python -m benchmarks.facility_location [POOL.npy] [--rows 5000] [--budget 250]

The similarities are cosines, those below 0 counting as 0. The libraries get them as a matrix, whose
making counts for them as it does within Winnow's rule, and are run once before the clock starts.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.selection import synthetic
from core.selection import select_arrays

Choose = Callable[[np.ndarray, int], np.ndarray]


def similarities(rows: np.ndarray) -> np.ndarray:
    """Cosines of all pairs of unit rows, none below 0."""
    return np.maximum(rows @ rows.T, 0)


def winnow(rows: np.ndarray, budget: int) -> np.ndarray:
    """Lazy greedy over all rows."""
    return select_arrays(rows, method="facility-location", budget=budget, epsilon=0).rows


def apricot(rows: np.ndarray, budget: int) -> np.ndarray:
    """The default optimizer of apricot, two-stage greedy."""
    from apricot import FacilityLocationSelection

    chooser = FacilityLocationSelection(budget, metric="precomputed")
    return np.asarray(chooser.fit(similarities(rows).astype(np.float64)).ranking)


def submodlib(rows: np.ndarray, budget: int) -> np.ndarray:
    """The lazy greedy of submodlib."""
    from submodlib import FacilityLocationFunction

    function = FacilityLocationFunction(
        n=len(rows), mode="dense", sijs=similarities(rows), separate_rep=False
    )
    chosen = function.maximize(budget=budget, optimizer="LazyGreedy", show_progress=False)
    return np.array([row for row, _ in chosen])


def main() -> None:
    """Run what is installed and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--budget", type=int, default=250)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pool = np.load(options.pool or synthetic(Path(folder), 10 * options.rows), mmap_mode="r")
        places = np.random.default_rng(0).choice(len(pool), options.rows, replace=False)
        rows = np.asarray(pool[np.sort(places)], np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ways: dict[str, Choose] = {"winnow": winnow}
    ways |= {
        name: way
        for name, way in (("apricot", apricot), ("submodlib", submodlib))
        if importlib.util.find_spec(name)
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    chosen = {name: way(rows, options.budget) for name, way in ways.items()}
    for _ in range(options.repeat):
        for name, way in ways.items():
            started = time.perf_counter()
            chosen[name] = way(rows, options.budget)
            seconds[name].append(time.perf_counter() - started)
    covered = similarities(rows).astype(np.float64)
    print("| library | objective | different rows | seconds, best |")
    print("|---|---:|---:|---:|")
    for name, found in chosen.items():
        value = covered[:, found].max(axis=1).sum()
        best = min(seconds[name])
        print(f"| {name} | {value:,.3f} | {len(np.unique(found)):,} | {best:.2f} |")


if __name__ == "__main__":
    main()
