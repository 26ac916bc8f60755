"""Time and peak memory of every export format.

    python benchmarks/export.py POOL_FILE [--ratio 0.1]

Each format runs in a fresh process, so that the peak is its own; "base" is the peak of a process
that has opened the pool and exported nothing, and so the difference is what the export needs.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from core.export import EXPORT_FORMATS, write_rows
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project


def measure(root: Path, format_id: str, ratio: float) -> dict[str, float]:
    """Export a seeded draw of the pool once, in this process."""
    pool = Pool.open(Project.open(root))
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(pool.rows, round(ratio * pool.rows), replace=False))
    result: dict[str, float] = {"rows": len(rows)}
    if format_id != "base":
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            report = write_rows(pool, rows, format_id, Path(folder) / "out", lossy=True)
            result |= {"seconds": time.perf_counter() - started, "bytes": report.bytes}
            result |= {"dropped": report.dropped}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def main() -> None:
    """Run every format and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", help="a file of rows, or a project with --format")
    parser.add_argument("--ratio", type=float, default=0.1)
    parser.add_argument("--format", help="measure one format of an existing project")
    options = parser.parse_args()
    if options.format:
        print(json.dumps(measure(Path(options.pool), options.format, options.ratio)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        init_pool(root, [options.pool])
        print(f"{'format':15} {'rows':>8} {'dropped':>8} {'MB':>7} {'s':>6} {'peak MB':>8}")
        for format_id in ["base", *EXPORT_FORMATS]:
            command = [sys.executable, __file__, str(root), "--format", format_id]
            command += ["--ratio", str(options.ratio)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            print(
                f"{format_id:15} {found['rows']:8,} {found.get('dropped', 0):8,} "
                f"{found.get('bytes', 0) / 1e6:7.1f} {found.get('seconds', 0):6.2f} "
                f"{found['peak_mb']:8.0f}"
            )


if __name__ == "__main__":
    main()
