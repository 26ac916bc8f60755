"""Every stage of the command line on one pool: seconds and peak memory of the whole process.

    python benchmarks/pipeline.py POOL.parquet --target TARGET.parquet

Prints a Markdown table. Each command is its own process, start-up included.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> tuple[dict, float, float]:
    """Run a command; return its JSON, wall seconds and peak memory in MB."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "core", "--json", *arguments], cwd=ROOT, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        if status:
            sys.exit(f"{' '.join(arguments)}\n{err.read()}")
        return json.loads(out.read()), seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Run the stages in order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--quality", default=None, help="a column of numbers, for kmq")
    parser.add_argument("--encoder", default="static")
    parser.add_argument("--k", default="256")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = str(Path(folder) / "p")
        stages = [
            ("init", ["init", project, str(options.pool)]),
            (f"embed ({options.encoder})", ["embed", project, "--encoder", options.encoder]),
            (f"cluster (k = {options.k})", ["cluster", project, "--k", options.k]),
            ("cluster (k = auto)", ["cluster", project]),
            ("map", ["map", project]),
            ("target", ["target", project, "t", str(options.target)]),
        ]
        methods = ["random", "kmeans-random", "tsds-uniform", "tsds-kde"]
        methods += ["kmq"] if options.quality else []
        for method in methods:
            command = ["select", project, "--method", method, "--ratio", "0.1", "--name", method]
            command += ["--target", "t"] if method.startswith("tsds") else []
            command += ["--quality", options.quality] if method == "kmq" else []
            stages.append((f"select {method} 10 %", command))
        for kind in ("jsonl", "parquet", "llama-factory"):
            out = str(Path(folder) / f"out-{kind}")
            command = ["export", project, "random", "--format", kind, "--out", out]
            stages.append(
                (
                    f"export 10 % as {kind}",
                    command if kind != "llama-factory" else [*command, "--lossy"],
                )
            )
        print("| stage | rows | seconds | peak MB |\n|---|---:|---:|---:|")
        for name, command in stages:
            report, seconds, megabytes = run(*command)
            rows = report.get("rows") or report.get("selected") or sum(report.get("sizes", []))
            extra = ""
            if "trustworthiness" in report:
                extra = f" (trustworthiness {report['trustworthiness']:.3f})"
            if "k" in report:
                extra = f" ({report['k']} clusters)"
            print(f"| {name}{extra} | {rows:,} | {seconds:.1f} | {megabytes:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
