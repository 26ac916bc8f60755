"""Exact neighbours of the targets against an approximate index (faiss IVF-flat), index included.

    python -m benchmarks.neighbors [--rows 1000000] [--targets 50 300 900] [--neighbors 5000]

Rows are synthetic unit vectors in clusters, float16. An index that is used for one target set must
be built for it: its seconds count, its recall is that of the exact neighbours. Prints a Markdown
table.
"""

import argparse
import time

import faiss
import numpy as np

from core.neighbors import exact_neighbors

_DIM, _CLUSTERS, _PROBED = 256, 1000, 32
_PART = 65_536  # rows that are made or indexed at a time
_PER_LIST = 39  # rows that faiss wants for each list when it trains


def synthetic(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors in clusters, with axes of falling variance as sentence vectors have them."""
    axes = np.arange(1, _DIM + 1, dtype=np.float32) ** -0.5
    centers = axes * rng.standard_normal((_CLUSTERS, _DIM), np.float32)
    pool = np.empty((rows, _DIM), np.float16)
    for start in range(0, rows, _PART):
        size = min(_PART, rows - start)
        part = 0.9 * axes * rng.standard_normal((size, _DIM), np.float32)
        part += centers[rng.integers(_CLUSTERS, size=size)]
        pool[start : start + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return pool


def build(pool: np.ndarray, rng: np.random.Generator) -> faiss.Index:
    """An index of √n lists."""
    lists = int(np.sqrt(len(pool)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(_DIM), _DIM, lists)
    sample = rng.choice(len(pool), min(len(pool), _PER_LIST * lists), replace=False)
    index.train(pool[sample].astype(np.float32))
    for start in range(0, len(pool), _PART):
        index.add(pool[start : start + _PART].astype(np.float32))
    index.nprobe = _PROBED
    return index


def main() -> None:
    """Time both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--targets", type=int, nargs="+", default=[50, 300, 900])
    parser.add_argument("--neighbors", type=int, default=5000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    pool = synthetic(options.rows, rng)
    started = time.perf_counter()
    index = build(pool, rng)
    building = time.perf_counter() - started
    print(f"{len(pool):,} x {_DIM}, {options.neighbors:,} neighbours\n")
    print("| targets | exact | building the index | asking it | its recall |")
    print("|---:|---:|---:|---:|---:|")
    for count in options.targets:
        targets = pool[rng.choice(len(pool), count, replace=False)].astype(np.float32)
        targets += 0.3 / np.sqrt(_DIM) * rng.standard_normal(targets.shape, np.float32)
        started = time.perf_counter()
        exact = exact_neighbors(targets, pool, options.neighbors).indices
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        _, found = index.search(targets, options.neighbors)
        asking = time.perf_counter() - started
        pairs = zip(found, exact, strict=True)
        recall = np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs])
        print(
            f"| {count} | {seconds:.1f} s | {building:.1f} s | {asking:.1f} s | {recall:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
