"""Layout and clusters of a pool's vectors: seconds, trustworthiness, peak memory.

    python benchmarks/layout.py --data features.npy [--project FOLDER] [--rounds 2]

Prints a Markdown table. `--data` is an array of unit vectors (a project's `features/…/vectors.npy`
will do). The baseline is `umap.UMAP(metric="cosine")` on the same 30,000 random rows; it and ours
take turns, each in a process of its own, so that other load on the machine meets both alike. Given
are the least of the rounds: "seconds" of the first call in a process, as a job makes it (imports
and what is compiled anew included), "again" of a second call in the same process.
Trustworthiness: 15 neighbours, 1,000 sampled rows, ranks among all rows, in the space of the
vectors. With `--project` naming the clusters of its pool is measured too.
"""

import argparse
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
SAMPLE = 30_000
WARM = 9_000  # enough for every kernel to be compiled


def ours(vectors: np.ndarray) -> np.ndarray:
    from core.layout import layout_vectors

    return layout_vectors(vectors).points


def baseline(vectors: np.ndarray) -> np.ndarray:
    import umap

    return umap.UMAP(metric="cosine").fit_transform(vectors)


def neighbors(vectors: np.ndarray) -> None:
    from core.graph_search import neighbor_graph

    neighbor_graph(vectors, 14)


def brute_force(vectors: np.ndarray) -> None:
    from core.neighbors import exact_neighbors

    exact_neighbors(vectors, vectors, 14, exclude_self=True)


def clusters(vectors: np.ndarray) -> Any:
    from core.kmeans import assign, kmeans
    from core.progress import silent

    centroids = kmeans(vectors, 256, 0)
    return centroids, assign(vectors, centroids, silent)[0]


def automatic_k(vectors: np.ndarray) -> None:
    from core.clusters import choose_k

    choose_k(vectors, 0)


def _child(task: Callable[..., Any], path: Path, rows: int, again: bool) -> dict[str, Any]:
    # As features come: mapped, in the type in which they are stored.
    vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    if rows < len(vectors):
        chosen = np.sort(np.random.default_rng(0).choice(len(vectors), rows, replace=False))
        vectors = vectors[chosen]
    if task is baseline:
        vectors = np.asarray(vectors, np.float32)
    started = time.perf_counter()
    result = task(vectors)
    told = {"first": time.perf_counter() - started}
    # The peak of this program: what it was started from may have been larger.
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    told["rss"] = int(status.split()[0]) / 2**20
    if again:
        started = time.perf_counter()
        task(vectors)
        told["again"] = time.perf_counter() - started
    if task in (ours, baseline):
        from core.layout import trustworthiness

        told["trust"] = trustworthiness(vectors, result)
    return told


def _titles(path: Path, project: Path) -> dict[str, Any]:
    from core.pool import Pool
    from core.project import Project
    from core.titles import title_clusters

    centroids, labels = clusters(np.load(path, mmap_mode="r", allow_pickle=False))
    rows = [np.flatnonzero(labels == number) for number in range(len(centroids))]
    pool = Pool.open(Project.open(project))
    started = time.perf_counter()
    title_clusters(pool, rows, 0, centroids)
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return {"first": time.perf_counter() - started, "rss": int(status.split()[0]) / 2**20}


def measure(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in a fresh process."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(function, *arguments).result()


def best(results: list[Any]) -> dict[str, Any]:
    """The least of each figure, but for the trustworthiness: the mean."""
    told = {key: min(one[key] for one in results) for key in results[0]}
    if "trust" in told:
        told["trust"] = float(np.mean([one["trust"] for one in results]))
    return told


def show(name: str, rows: int, told: dict[str, Any]) -> None:
    again = f"{told['again']:.1f}" if "again" in told else ""
    trust = f"{told['trust']:.4f}" if "trust" in told else ""
    print(f"| {name} | {rows:,} | {told['first']:.1f} | {again} | {trust} | {told['rss']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    shape = np.load(options.data, mmap_mode="r", allow_pickle=False).shape
    rows, small = shape[0], min(SAMPLE, shape[0])
    print(f"{platform.machine()}, {os.cpu_count()} cores, {shape[1]} dimensions\n")
    print("| what | rows | seconds | again | trustworthiness | peak GB |")
    print("|---|---|---|---|---|---|")
    measure(_child, ours, options.data, WARM, False)  # compiles, once for this machine
    turns: dict[Any, list[Any]] = {baseline: [], ours: []}
    for _ in range(options.rounds):
        for task, told in turns.items():
            told.append(measure(_child, task, options.data, small, True))
    slow, fast = best(turns[baseline]), best(turns[ours])
    show("umap.UMAP(metric='cosine')", small, slow)
    show("layout", small, fast)
    for name, task in (
        ("layout", ours),
        ("its exact neighbours", neighbors),
        ("the same by brute force", brute_force),
        ("k-means, k = 256", clusters),
        ("k chosen", automatic_k),
    ):
        told = [measure(_child, task, options.data, rows, False) for _ in range(options.rounds)]
        show(name, rows, best(told))
    if options.project:
        show("titles, k = 256", rows, measure(_titles, options.data, options.project))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUMBA_CACHE_DIR"] = cache
        show("layout, nothing compiled", WARM, measure(_child, ours, options.data, WARM, False))
        show("layout, compiled before", WARM, measure(_child, ours, options.data, WARM, False))
    apart = fast["trust"] - slow["trust"]
    ratios = [slow[key] / fast[key] for key in ("first", "again")]
    print(
        f"\nlayout: {ratios[0]:.1f} times as fast as umap-learn in a fresh process, "
        f"{ratios[1]:.1f} times when all is compiled; trustworthiness {apart:+.4f}"
    )


if __name__ == "__main__":
    main()
