"""Time and peak memory of every selection rule.

    python -m benchmarks.selection [POOL.npy [TARGET.npy]] [--ratio 0.05] [--repeat 3]

Without files, a synthetic pool of `--rows` unit vectors in clusters, near-duplicates among them,
and 50 targets; with a pool alone, 50 of its rows moved a little are the targets. Each rule runs in
a fresh process, so that the peak is its own; "(arrays)" is the peak of a process that has only read
them. Seconds are `select_arrays` alone, the best of the repeats.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError
from core.selection import RULES, select_arrays, transport_path
from core.selection.base import Problem

_ROOT = Path(__file__).parents[1]
_BLOCK = 100_000
_REFUSED = 2
_VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("(arrays)", {}),
    *((rule, {}) for rule in RULES),
    ("tsds-kde", {"diversity_weight": 0.9}),
    ("tsds-kde", {"diversity_weight": 0.99}),
    ("tsds-kde", {"duplicate_cosine": 0.99}),
    ("tsds-kde", {"duplicate_cosine": 0.8}),
    ("(new weight)", {}),
]


def synthetic_rows(rows: int) -> np.ndarray:
    """Unit vectors in clusters, near-duplicates among them; float16 of shape (rows, 256)."""
    rng = np.random.default_rng(0)
    # Axes of falling variance, as sentence vectors have them.
    axes = np.arange(1, 257, dtype=np.float32) ** -0.5
    centers = axes * rng.standard_normal((400, 256), np.float32)
    label = rng.choice(400, rows, p=rng.dirichlet(np.ones(400)))
    pool = np.empty((rows, 256), np.float16)
    for start in range(0, rows, _BLOCK):
        some = label[start : start + _BLOCK]
        block = centers[some] + 0.9 * axes * rng.standard_normal((len(some), 256), np.float32)
        # The last fifth are copies, moved a little.
        copies = block[rng.choice(len(some) * 4 // 5, len(some) // 5)]
        noise = 0.15 * axes * rng.standard_normal(copies.shape, np.float32)
        block[len(some) - len(copies) :] = copies + noise
        pool[start : start + _BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return pool


def synthetic(folder: Path, rows: int) -> Path:
    """Write such a pool and return its path."""
    np.save(folder / "pool.npy", synthetic_rows(rows))
    return folder / "pool.npy"


def targets_from(pool: Path, folder: Path) -> Path:
    """Write 50 rows of the pool, moved a little, and return their path."""
    rows = np.load(pool, mmap_mode="r")
    rng = np.random.default_rng(1)
    target = np.array(rows[np.sort(rng.choice(len(rows), 50, replace=False))], np.float32)
    norm = float(np.linalg.norm(target, axis=1).mean())
    target += 0.3 * norm * rng.standard_normal(target.shape) / np.sqrt(target.shape[1])
    np.save(folder / "target.npy", target.astype(np.float32))
    return folder / "target.npy"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run one rule in this process."""
    pool = np.load(options.pool, mmap_mode="r")
    target = np.load(options.target)
    rng = np.random.default_rng(2)
    quality, strata = rng.random(len(pool)), rng.integers(0, 8, len(pool))
    parameters = json.loads(options.parameters)
    result: dict[str, Any] = {"seconds": float("nan"), "support": 0, "checksum": float(pool.sum())}
    if options.rule == "(new weight)":
        problem = Problem(pool, np.arange(len(pool)), 1, targets=target)
        path = transport_path(problem, sigma=0.3162)
        path.end()
        weights = np.linspace(0.01, 0.99, 50)
        started = time.perf_counter()
        result["support"] = int(path.curve(weights).supports[-1])
        result["seconds"] = (time.perf_counter() - started) / len(weights)
    elif options.rule != "(arrays)":
        runs = [
            select_arrays(
                pool,
                target,
                method=options.rule,
                ratio=options.ratio,
                quality=quality,
                strata=strata,
                **parameters,
            )
            for _ in range(options.repeat)
        ]
        result |= {"seconds": min(run.seconds for run in runs), "support": runs[0].support}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def main() -> None:
    """Run every rule and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", nargs="?", type=Path)
    parser.add_argument("target", nargs="?", type=Path)
    parser.add_argument("--ratio", type=float, default=0.05)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic pool")
    parser.add_argument("--rules", nargs="+", help="only these")
    parser.add_argument("--rule", help=argparse.SUPPRESS)
    parser.add_argument("--parameters", default="{}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rule:
        try:
            print(json.dumps(measure(options)))
        except InputError as error:
            print(error)
            sys.exit(_REFUSED)
        return
    with tempfile.TemporaryDirectory() as folder:
        pool = options.pool.resolve() if options.pool else synthetic(Path(folder), options.rows)
        given = options.target.resolve() if options.target else None
        target = given or targets_from(pool, Path(folder))
        print("| rule | parameters | support | seconds | peak MB |")
        print("|---|---|---:|---:|---:|")
        for rule, parameters in _VARIANTS:
            if options.rules and rule not in options.rules:
                continue
            command = [sys.executable, "-m", "benchmarks.selection", str(pool), str(target)]
            command += ["--rule", rule]
            command += ["--parameters", json.dumps(parameters)]
            command += ["--ratio", str(options.ratio), "--repeat", str(options.repeat)]
            done = subprocess.run(
                command, check=False, stdout=subprocess.PIPE, text=True, cwd=_ROOT
            )
            settings = ", ".join(f"{key} {value}" for key, value in parameters.items())
            if done.returncode == _REFUSED:
                print(f"| {rule} | {settings} | refused: {done.stdout.strip()} | | |", flush=True)
                continue
            done.check_returncode()
            found = json.loads(done.stdout)
            print(
                f"| {rule} | {settings} | {found['support']:,} | {found['seconds']:.3f} "
                f"| {found['peak_mb']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
