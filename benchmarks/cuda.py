"""What a CUDA device does: whether it gives what the CPU gives, and how much sooner.

    python -m benchmarks.cuda [--data POOL --model FOLDER] [--rows 1000000 5000000]

Needs torch with CUDA, but neither faiss nor duckdb. Vectors are synthetic, 256 dimensions in
float16. With a pool and MiniLM's folder (float16 weights will do) the encoder is measured too, on
20,000 of its rows. Prints Markdown tables; the rules themselves: `benchmarks.selection`.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.encoders import read_texts
from benchmarks.selection import synthetic_rows
from core.neighbors import exact_neighbors

_TEXTS, _JUDGED, _SHARD = 20_000, 4_000, 8_192
_TARGETS, _NEIGHBORS = (50, 300, 900), 5_000


def best_of(work: Callable[[], Any], times: int = 3) -> tuple[Any, float]:
    """What `work` returns, and the seconds of its fastest run."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - started)
    return found, min(seconds)


def agree() -> None:
    """Neighbours on the device are those of the CPU, bit for bit: copies, offsets, wide lists."""
    rng = np.random.default_rng(1)
    base = rng.standard_normal((60_000, 96)).astype(np.float32)
    base[30_000:33_000] = base[0]
    cases = {
        "plain": base,
        "far from the origin": base + 40,
        "float16": base.astype(np.float16),
        "close to each other": 1 + 1e-3 * base,
    }
    print("| vectors | neighbours | the same rows and distances |\n|---|---:|---|")
    for name, vectors in cases.items():
        for k in (1, 10, 700):
            queries = vectors[:: len(vectors) // 200]
            here = exact_neighbors(queries, vectors, k, device="cpu")
            there = exact_neighbors(queries, vectors, k, device="cuda")
            same = np.array_equal(here.indices, there.indices)
            same &= np.array_equal(here.distances, there.distances)
            print(f"| {name} | {k} | {'yes' if same else 'NO'} |", flush=True)


def encode(data: Path, folder: Path) -> None:
    """MiniLM in bfloat16 against sentence-transformers' defaults on the same device."""
    import torch
    from sentence_transformers import SentenceTransformer

    from core.encoders.torch_encoder import TorchEncoder
    from core.encoders.weights import ModelFolder

    texts = read_texts(data, _TEXTS)
    baseline = SentenceTransformer(str(folder), device="cuda").float()
    ours = TorchEncoder("minilm", "", ModelFolder(folder, "minilm", "the folder given"), "cuda")

    def shards() -> np.ndarray:
        parts = [texts[at : at + _SHARD] for at in range(0, len(texts), _SHARD)]
        return np.concatenate([ours.encode(part).vectors for part in parts])

    baseline.encode(texts[:512])
    ours.encode(texts[:512])
    exact, slow = best_of(lambda: baseline.encode(texts, normalize_embeddings=True))
    torch.cuda.reset_peak_memory_stats()
    found, fast = best_of(shards)
    nearest = [exact_neighbors(v[:_JUDGED], v, 10).indices for v in (exact, found)]
    kept = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(*nearest, strict=True)])
    print("\n| encoder | rows/s | of the baseline | recall@10 |\n|---|---:|---:|---:|")
    print(f"| sentence-transformers, float32 | {len(texts) / slow:,.0f} | 1.0 | 1.000 |")
    print(f"| minilm, bfloat16 | {len(texts) / fast:,.0f} | {slow / fast:.1f} | {kept:.3f} |")
    print(f"\nPeak of GPU memory {torch.cuda.max_memory_allocated() / 1e9:.1f} GB", flush=True)


def neighbours(rows: int) -> None:
    """Neighbours of the targets on the device and on all cores."""
    import torch

    rng = np.random.default_rng(0)
    pool = synthetic_rows(rows)
    print(f"\n| {rows:,} rows, targets | CPU | CUDA | GPU memory |\n|---:|---:|---:|---:|")
    for count in _TARGETS:
        targets = pool[rng.choice(rows, count, replace=False)].astype(np.float32)
        targets += 0.3 / 16 * rng.standard_normal(targets.shape, np.float32)
        torch.cuda.reset_peak_memory_stats()
        there, device = best_of(lambda: exact_neighbors(targets, pool, _NEIGHBORS), 2)  # noqa: B023
        peak = torch.cuda.max_memory_allocated() / 1e9
        here, cpu = best_of(lambda: exact_neighbors(targets, pool, _NEIGHBORS, device="cpu"), 1)  # noqa: B023
        same = np.array_equal(here.indices, there.indices)
        print(
            f"| {count} | {cpu:.2f} s | {device:.2f} s{'' if same else ' (OTHER ROWS)'} "
            f"| {peak:.2f} GB |",
            flush=True,
        )


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 5_000_000])
    options = parser.parse_args()
    agree()
    if options.data and options.model:
        encode(options.data, options.model)
    for rows in options.rows:
        neighbours(rows)


if __name__ == "__main__":
    main()
