"""Encoders on random rows of a pool: rows per second, nearest neighbours kept, peak memory.

    python benchmarks/encoders.py --data ../shared/data/mix_pool.parquet

Prints a Markdown table. The baseline is `SentenceTransformer.encode` with its defaults on the same
rows in the same run; every encoder has a process of its own and takes its turn in every round, so
that other load on the machine meets all alike. Rows per second are those of the best round,
loading not counted. recall@10 is the share of the baseline's ten nearest neighbours that stay.
`static`, with `--all`, is a whole `embed` of all rows, start-up counted.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
BASELINE = "sentence-transformers, defaults"
NEIGHBOURS = 10


def read_texts(path: Path, rows: int) -> list[str]:
    """Texts of random rows that Winnow can read, as the pool would have them."""
    from core.records import RecordError, parse

    table = pq.read_table(path)
    texts = []
    for place in np.random.default_rng(0).permutation(table.num_rows):
        try:
            texts.append(parse(table.slice(int(place), 1).to_pylist()[0]).text)
        except RecordError:
            continue
        if len(texts) == rows:
            break
    return texts


class _Baseline:
    def __init__(self, folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(str(folder), device="cpu")

    def vectors(self, texts: list[str]) -> np.ndarray:
        return self.model.encode(texts)


class _Ours:
    """As `embed` calls it: shard by shard."""

    def __init__(self, kind: str) -> None:
        from core.encoders import make_encoder, weights
        from core.encoders.bert import BertEncoder, BertShape
        from core.encoders.openvino_engine import OpenVinoEngine
        from core.encoders.quantized import Int16Engine
        from core.encoders.torch_encoder import TorchEncoder

        model = weights.find_minilm()
        shape = BertShape.of(model)
        if kind in ("minilm", "static"):
            self.encoder = make_encoder(kind)
        elif kind == "torch float32":
            self.encoder = TorchEncoder("minilm", "", model, "cpu")
        elif kind == "int16":
            self.encoder = BertEncoder("minilm", "", shape, Int16Engine(shape))
        else:
            engine = OpenVinoEngine(shape, kind.removeprefix("openvino "))
            self.encoder = BertEncoder("minilm", "", shape, engine)

    def vectors(self, texts: list[str]) -> np.ndarray:
        size = self.encoder.shard_rows
        parts = [self.encoder.encode(texts[i : i + size]) for i in range(0, len(texts), size)]
        return np.concatenate([part.vectors for part in parts])


def serve(kind: str, folder: Path, texts: list[str], pipe) -> None:
    """Load an encoder, then encode the texts whenever asked to."""
    started = time.perf_counter()
    model = _Baseline(folder) if kind == BASELINE else _Ours(kind)
    model.vectors(texts[:32])
    pipe.send(time.perf_counter() - started)
    while pipe.recv():
        started, worked = time.perf_counter(), time.process_time()
        vectors = model.vectors(texts)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send((seconds, cpu, memory, vectors))


def neighbours(vectors: np.ndarray) -> np.ndarray:
    """The ten nearest other rows of each row."""
    units = vectors.astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    found = []
    for start in range(0, len(units), 1024):
        cosines = units[start : start + 1024] @ units.T
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -2
        found.append(np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS])
    return np.concatenate(found)


def recall(vectors: np.ndarray, reference: np.ndarray) -> float:
    """Share of the reference's nearest neighbours that are found."""
    pairs = zip(neighbours(vectors), neighbours(reference), strict=True)
    return float(np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in pairs]))


def compare(kinds: list[str], texts: list[str], rounds: int) -> None:
    """Run all encoders by turns and print the table."""
    from core.encoders.weights import find_minilm

    folder = find_minilm().path
    context = multiprocessing.get_context("spawn")
    pipes, processes, loading = {}, [], {}
    for kind in kinds:
        pipes[kind], theirs = context.Pipe()
        process = context.Process(target=serve, args=(kind, folder, texts, theirs))
        process.start()
        processes.append(process)
        loading[kind] = pipes[kind].recv()
    results = {kind: [] for kind in kinds}
    for turn in range(rounds):
        for kind in kinds:
            pipes[kind].send(True)
            results[kind].append(pipes[kind].recv())
            rate = len(texts) / results[kind][-1][0]
            print(f"round {turn + 1}, {kind}: {rate:.1f} rows/s", file=sys.stderr)
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join()

    best = {kind: min(found, key=lambda run: run[0]) for kind, found in results.items()}
    reference = best[BASELINE]
    print(f"{len(texts):,} rows, best of {rounds} rounds, {os.cpu_count()} cores, {_processor()}\n")
    print(
        "| encoder | rows/s | of the baseline | rows per CPU second | recall@10 | loading | peak |"
    )
    print("|---|---|---|---|---|---|---|")
    for kind, (seconds, cpu, memory, vectors) in best.items():
        print(
            f"| {kind} | {len(texts) / seconds:,.1f} | {reference[0] / seconds:.2f} × "
            f"| {len(texts) / cpu:,.1f} | {recall(vectors, reference[3]):.3f} "
            f"| {loading[kind]:.1f} s | {memory:,.0f} MB |"
        )


def embed_all(path: Path, encoder: str) -> None:
    """Time a whole `embed`, as a person would start it."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from pipeline import run

    with tempfile.TemporaryDirectory() as folder:
        project = str(Path(folder) / "p")
        run("init", project, str(path))
        report, seconds, memory = run("embed", project, "--encoder", encoder)
        print(f"\n`embed --encoder {encoder}` of all {report['rows']:,} rows: {seconds:.1f} s,")
        print(f"{report['rows_per_second']:,.0f} rows/s, peak {memory:,.0f} MB")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/mix_pool.parquet")
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", action="store_true", help="compare the engines one by one")
    parser.add_argument("--all", action="store_true", help="also embed all rows with static")
    options = parser.parse_args()
    kinds = [BASELINE, "minilm", "static"]
    if options.engines:
        kinds += ["int16", "openvino float32", "torch float32"]
    texts = read_texts(options.data, options.rows)
    print(json.dumps({"rows": len(texts)}), file=sys.stderr)
    compare(kinds, texts, options.rounds)
    if options.all:
        embed_all(options.data, "static")


if __name__ == "__main__":
    main()
