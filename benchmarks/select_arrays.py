"""`select-arrays` against the steps of the published TSDS script, on the same arrays, by turns.

    python -m benchmarks.select_arrays PROJECT TARGET [--targets 300] [--rounds 3]

PROJECT holds features, and TARGET is one of its target sets.

The script's steps (arXiv 2410.11303): faiss IVF-flat indexes of √n lists, 10 of them probed; 5,000
neighbours of each target; 1,000 neighbours of each of these rows among them all for its density;
a heap over the targets' neighbours; rows drawn by their probabilities. Its defaults: α 0.6, σ 0.75,
C 5. `select-arrays` measures densities among all neighbours, exactly. Prints a Markdown table;
seconds are the best of the rounds, reading the arrays not counted.
"""

import argparse
import heapq
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

from core.features import load_features
from core.neighbors import exact_neighbors
from core.project import Project
from core.selection import Problem, transport_path
from core.target_features import encode_target

ALPHA, SIGMA, SCALE, NEIGHBORS, DENSITY_NEIGHBORS = 0.6, 0.75, 5.0, 5000, 1000
_ROOT = Path(__file__).parents[1]


def published(
    pool: np.ndarray, targets: np.ndarray, budget: int
) -> tuple[dict[str, float], np.ndarray]:
    """Seconds of each step, and the neighbours that were found."""
    ticks = [time.perf_counter()]
    distances, near = _index(pool).search(targets, NEIGHBORS)
    near = np.where(near < 0, near[:, :1], near)  # the probed lists held fewer: infinitely far
    ticks.append(time.perf_counter())
    union, members = np.unique(near, return_inverse=True)
    among, _ = _index(pool[union]).search(pool[union], DENSITY_NEIGHBORS)
    densities = np.maximum(0, 1 - among / SIGMA**2).sum(axis=1)[members.reshape(near.shape)]
    ticks.append(time.perf_counter())
    masses = _heap(np.sqrt(np.maximum(distances, 0)), np.maximum(densities, 1))
    ticks.append(time.perf_counter())
    chances = np.bincount(near.ravel(), masses.ravel(), minlength=len(pool))
    np.random.default_rng(0).choice(len(pool), budget, p=chances / chances.sum())
    ticks.append(time.perf_counter())
    steps = ("neighbours", "density", "heap", "drawing")
    return dict(zip(steps, np.diff(ticks).tolist(), strict=True)), near


def _index(rows: np.ndarray) -> faiss.Index:
    quantizer = faiss.IndexFlatL2(rows.shape[1])
    index = faiss.IndexIVFFlat(quantizer, rows.shape[1], int(np.sqrt(len(rows))))
    index.train(rows)
    index.add(rows)
    index.nprobe = 10
    return index


def _heap(distances: np.ndarray, densities: np.ndarray) -> np.ndarray:
    """The sweep: the next neighbour of the target that is soonest filled, until it does not pay."""
    count, last = distances.shape
    weights, sums = 1 / densities, np.zeros(count)
    reach, costs = np.zeros(count), np.zeros(count)
    taken, total, s = np.zeros(count, int), 0.0, 0.0
    heap = [(weights[j, 0], j) for j in range(count)]
    heapq.heapify(heap)
    while heap:
        s, j = heapq.heappop(heap)
        k = taken[j]
        reach[j] = s
        sums[j] += distances[j, k] * weights[j, k]
        total -= costs[j]
        costs[j] = distances[j, k + 1] * reach[j] - sums[j]
        total += costs[j]
        taken[j] += 1
        if ALPHA / SCALE * total >= (1 - ALPHA) * count:
            break
        if k + 2 < last:
            heapq.heappush(heap, (s + weights[j, k + 1], j))
    ends = np.cumsum(weights, axis=1)
    return np.clip(s - (ends - weights), 0, weights) / (count * s)


def ours(pool: Path, targets: Path, budget: int) -> tuple[float, float]:
    """The command's own seconds, and those of its whole process."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "core", "--json", "select-arrays", str(pool), str(targets)]
        command += ["--method", "tsds-kde", "--budget", str(budget), "--out", f"{folder}/rows.npy"]
        command += ["--diversity-weight", str(1 - ALPHA), "--scale", str(SCALE)]
        command += ["--sigma", str(SIGMA), "--max-neighbors", str(NEIGHBORS)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=_ROOT)
    seconds = json.loads(done.stdout)["seconds"]
    return seconds, time.perf_counter() - started


def new_weights(pool: np.ndarray, targets: np.ndarray) -> float:
    """Seconds that another diversity weight takes once the path is laid."""
    problem = Problem(pool, np.arange(len(pool)), 1, targets=targets)
    path = transport_path(
        problem,
        scale=SCALE,
        sigma=SIGMA,
        max_neighbors=NEIGHBORS,
    )
    path.end()
    weights = np.linspace(0.01, 0.99, 50)
    started = time.perf_counter()
    path.curve(weights)
    return (time.perf_counter() - started) / len(weights)


def main() -> None:
    """Run both by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("target")
    parser.add_argument("--targets", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    project = Project.open(options.project)
    pool = np.asarray(load_features(project).vectors, np.float32)
    targets, budget = encode_target(project, options.target)[: options.targets], len(pool) // 20
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("pool.npy", "targets.npy")]
        for path, array in zip(paths, (pool, targets), strict=True):
            np.save(path, array)
        theirs, own = [], []
        for _ in range(options.rounds):
            steps, near = published(pool, targets, budget)
            theirs.append(steps)
            own.append(ours(*paths, budget))
    exact = exact_neighbors(targets, pool, NEIGHBORS).indices
    pairs = zip(near, exact, strict=True)
    found = np.mean([len(np.intersect1d(a, b)) / NEIGHBORS for a, b in pairs])
    best = min(theirs, key=lambda steps: sum(steps.values()))
    seconds, start = min(own), min(whole - inner for inner, whole in own)
    print(f"{len(pool):,} x {pool.shape[1]}, {len(targets)} targets\n")
    print("| what | seconds |\n|---|---:|")
    print(f"| the published steps, {found:.2f} of the neighbours | {sum(best.values()):.2f} |")
    for step, taken in best.items():
        print(f"| of it, {step} | {taken:.2f} |")
    ratio = sum(best.values()) / seconds[0]
    print(f"| `select-arrays`, exact ({ratio:.1f} times as fast) | {seconds[0]:.2f} |")
    print(f"| start-up and files beside it | {start:.2f} |")
    print(f"| another diversity weight | {new_weights(pool, targets):.4f} |")


if __name__ == "__main__":
    main()
