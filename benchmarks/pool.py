"""Time and peak memory of reading a pool, and the time of looking into it.

    python -m benchmarks.pool [FILE …] [--rows 100000 1000000] [--kind jsonl|json|csv|parquet]

Prints one row of a Markdown table for each FILE, and for each number of synthetic rows (about
500 characters each, one in fifty a duplicate) written as `--kind`. Each is read in a fresh
process, so that the peak is its own; "base" is the peak of a process that has only imported
what reading needs.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

WORDS = [f"word{i}" for i in range(5000)]
COLUMNS = ("what", "rows", "MB", "init s", "rows/s", "peak MB", "page ms", "search ms", "where ms")


def synthetic_rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield Alpaca rows, the same for the same count."""
    rng = random.Random(0)
    row: dict[str, Any] = {}
    for number in range(count):
        if number % 50 or not row:
            words = rng.choices(WORDS, k=60)
            row = {"instruction": " ".join(words[:25]), "input": "", "output": " ".join(words[25:])}
        yield {**row, "id": f"row-{number}", "source": f"source-{number % 7}", "score": number / 7}


def write_synthetic(path: Path, count: int) -> None:
    """Write `count` rows in the kind that the suffix says, in little memory."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows, writer = [], None
        for row in synthetic_rows(count):
            rows.append(row)
            if len(rows) == 100_000:
                writer = _write_table(pq, pa, writer, path, rows)
                rows = []
        writer = _write_table(pq, pa, writer, path, rows) if rows else writer
        writer.close()
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            import csv

            table = csv.writer(file)
            table.writerow(["instruction", "input", "output", "id", "source", "score"])
            table.writerows(row.values() for row in synthetic_rows(count))
            return
        array = path.suffix == ".json"
        for number, row in enumerate(synthetic_rows(count)):
            before = ("," if number else "[") if array else ""
            file.write(f"{before}{json.dumps(row)}\n")
        file.write("]" if array else "")


def _write_table(pq: Any, pa: Any, writer: Any, path: Path, rows: list[dict[str, Any]]) -> Any:
    table = pa.Table.from_pylist(rows)
    writer = writer or pq.ParquetWriter(path, table.schema)
    writer.write_table(table)
    return writer


def measure(file: str) -> dict[str, float]:
    """Read one file in this process, then look into the pool."""
    import core.tables  # noqa: F401 - a part of the base
    from core.ingest import init_pool
    from core.pool import Pool
    from core.project import Project

    if file == "base":
        return {"peak MB": _peak()}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        started = time.perf_counter()
        report = init_pool(root, [file])
        seconds = time.perf_counter() - started
        result = {"rows": report.rows, "init s": seconds, "peak MB": _peak()}
        pool = Pool.open(Project.open(root))
        rng = np.random.default_rng(0)
        pages = [rng.integers(0, pool.rows, 50) for _ in range(11)]
        result["page ms"] = _median_ms(*[lambda rows=rows: pool.page(rows) for rows in pages])
        result["search ms"] = _median_ms(*[lambda: pool.search("entropy word7")] * 3)
        result["where ms"] = _median_ms(*[lambda: pool.where("n_chars > 400 AND row > 9")] * 3)
    return result


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _median_ms(*calls: Callable[[], Any]) -> float:
    """Median time of the calls, after the first has opened the files."""
    times = []
    for call in calls:
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times[1:]))


def in_fresh_process(file: str) -> dict[str, float]:
    """Return what `measure` gives in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.pool", "--measure", file]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--rows", nargs="*", type=int, default=[])
    parser.add_argument("--kind", default="jsonl", choices=["jsonl", "json", "csv", "parquet"])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{'---|' * len(COLUMNS)}")
    _print_row("base", 0, in_fresh_process("base"))
    for file in options.files:
        _print_row(Path(file).name, Path(file).stat().st_size, in_fresh_process(file))
    for count in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"synthetic.{options.kind}"
            write_synthetic(path, count)
            _print_row(path.name, path.stat().st_size, in_fresh_process(str(path)))


def _print_row(what: str, size: int, found: dict[str, float]) -> None:
    cells = {"what": what, "MB": f"{size / 1e6:.1f}" if size else "", **found}
    if "init s" in found:
        cells["rows/s"] = found["rows"] / found["init s"]
        cells["init s"] = f"{found['init s']:.1f}"
    shown = [cells.get(name, "") for name in COLUMNS]
    texts = [f"{cell:,.0f}" if isinstance(cell, float | int) else str(cell) for cell in shown]
    print(f"| {' | '.join(texts)} |", flush=True)


if __name__ == "__main__":
    main()
