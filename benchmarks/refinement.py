"""Does refinement keep bad rows out? On pools in which three sources have been spoiled.

    python -m benchmarks.refinement --data ../shared/data [--rows N] [--seeds 0 1 2]

For each seed three sources of the mixed pool are drawn and spoiled: the answers of one are shuffled
among its rows, those of another are garbled (letters in random order within words), those of the
third are cut short (a tenth of the words). What counts is the share of spoiled rows in the final
subset of 5 %, all rounds together, the first one still blind. Prints a Markdown table of means over
the seeds ± standard deviation, the share of each kind, and seconds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.clusters import cluster
from core.features import embed
from core.ingest import init_pool
from core.project import Project
from core.quality import HEURISTICS, PREFIX
from core.refinement import loop
from core.refinement.quality_file import write_quality
from core.runs import load_run, select

RATIO, CLUSTERS = 0.05, 256
CHAT = ("sgd", "taskmaster4")  # of several turns: there is not one answer to spoil
LARGE, WORDS = 1500, 8  # rows of a source that is spoiled, and words of its answers in the median
KINDS = ("shuffled", "garbled", "cut")


def garbled(text: str, generator: np.random.Generator) -> str:
    """The same words with their letters in random order."""
    return " ".join("".join(generator.permutation(list(word))) for word in text.split())


def cut(text: str) -> str:
    """The first tenth of the words, one at least."""
    words = text.split()
    return " ".join(words[: max(1, len(words) // 10)])


def draw_rows(
    table: pa.Table, rows: int | None, generator: np.random.Generator
) -> tuple[list[dict[str, str]], list[str]]:
    """Rows without chats, in the order of the table, and the sources that can be spoiled."""
    empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(table["output"])), 0)
    unfit = pc.or_(pc.is_in(table["source"], pa.array(CHAT)), pc.fill_null(empty, True))
    table = table.filter(pc.invert(unfit))
    sources = np.array(table["source"].to_pylist())
    words = np.array([len(text.split()) for text in table["output"].to_pylist()])
    fit = [
        name
        for name in np.unique(sources).tolist()
        if (sources == name).sum() >= LARGE and np.median(words[sources == name]) >= WORDS
    ]
    chosen = np.sort(generator.permutation(table.num_rows)[:rows])
    return table.take(chosen).select(["source", "instruction", "input", "output"]).to_pylist(), fit


def spoil(
    made: list[dict[str, str]], sources: list[str], generator: np.random.Generator
) -> np.ndarray:
    """Spoil three of the sources; return the place of each row's kind in `KINDS`, -1 for none."""
    kinds, of = np.full(len(made), -1), np.array([row["source"] for row in made])
    for kind, source in enumerate(generator.permutation(sources)[: len(KINDS)]):
        print(f"{source} is {KINDS[kind]}", flush=True)
        mine = np.flatnonzero(of == source)
        kinds[mine] = kind
        answers = [made[row]["output"] for row in mine]
        if kind == 0:
            answers = [answers[at] for at in generator.permutation(len(answers))]
        elif kind == 1:
            answers = [garbled(text, generator) for text in answers]
        else:
            answers = [cut(text) for text in answers]
        for row, answer in zip(mine, answers, strict=True):
            made[row]["output"] = answer or "-"
    return kinds


def make_project(made: list[dict[str, str]], seed: int, folder: Path) -> Project:
    """A project of these rows with static features and clusters."""
    file = folder / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    report = init_pool(folder / "p", [file])
    if report.rejected:
        raise SystemExit(f"{report.rejected} rows were rejected: {report.rejections[:3]}")
    project = Project.open(folder / "p")
    embed(project, encoder="static")
    cluster(project, k=CLUSTERS, seed=seed)
    return project


def refined(project: Project, rounds: int, seed: int, **options: object) -> np.ndarray:
    """The final rows of a refinement."""
    name = f"r{rounds}-{time.monotonic_ns()}"
    loop.start(project, name=name, ratio=RATIO, rounds=rounds, seed=seed, **options)
    loop.run(project, name)
    return load_run(project, name).rows


def static(project: Project, method: str, seed: int, **options: object) -> np.ndarray:
    """The rows of a draw in one go."""
    report = select(project, method=method, ratio=RATIO, seed=seed, **options)
    return load_run(project, report.run).rows


def sound(project: Project) -> Path:
    """The file with the soundness of every row."""
    file = project.root.parent / "soundness.parquet"
    if not file.exists():
        write_quality(project, measure="soundness", out=file)
    return file


LENGTH = PREFIX + next(iter(HEURISTICS))
WAYS: dict[str, Callable[[Project, int], np.ndarray]] = {
    "random": lambda project, seed: static(project, "random", seed),
    f"static kMQ, {LENGTH}": lambda project, seed: static(project, "kmq", seed, quality=LENGTH),
    "static kMQ, soundness": lambda project, seed: static(
        project, "kmq", seed, quality_file=sound(project)
    ),
    "refined by soundness, 3 rounds": lambda project, seed: refined(project, 3, seed),
    "refined by soundness, 5 rounds": lambda project, seed: refined(project, 5, seed),
    "… ucb, 5 rounds": lambda project, seed: refined(project, 5, seed, update="ucb"),
    "… kMQ within by soundness, 5 rounds": lambda project, seed: refined(
        project, 5, seed, within="kmq", quality_file=sound(project)
    ),
    "refined by coherence, 3 rounds": lambda project, seed: refined(
        project, 3, seed, scorer="coherence"
    ),
    "refined by coherence, 5 rounds": lambda project, seed: refined(
        project, 5, seed, scorer="coherence"
    ),
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, help="Of the pool; default: all.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    table = pq.read_table(options.data / "mix_pool.parquet")
    found: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    seconds: dict[str, float] = dict.fromkeys(WAYS, 0.0)
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            generator = np.random.default_rng(seed)
            made, sources = draw_rows(table, options.rows, generator)
            kinds = spoil(made, sources, generator)
            project = make_project(made, seed, Path(folder))
            for way, draw in WAYS.items():
                started = time.perf_counter()
                chosen = kinds[draw(project, seed)]
                seconds[way] += time.perf_counter() - started
                found[way].append(
                    np.array([(chosen >= 0).mean(), *((chosen == k).mean() for k in range(3))])
                )
                print(seed, way, found[way][-1].round(3), flush=True)
    print(f"\n| {len(kinds):,} rows, {RATIO:.0%} chosen | spoiled | {' | '.join(KINDS)} | s |")
    print("|---|---:|---:|---:|---:|---:|")
    for way, shares in found.items():
        mean, spread = np.mean(shares, axis=0), np.std(shares, axis=0)
        cells = [f"{100 * m:.1f} ± {100 * s:.1f} %" for m, s in zip(mean, spread, strict=True)]
        print(f"| {way} | {' | '.join(cells)} | {seconds[way] / len(options.seeds):.1f} |")


if __name__ == "__main__":
    main()
