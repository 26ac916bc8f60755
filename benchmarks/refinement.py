"""Does refinement keep bad rows out? On pools in which three sources have been spoiled.

    python -m benchmarks.refinement --data ../shared/data [--rows N] [--seeds 0 1 2] [--models]
        [--faults repeated echoed refused]

For each seed three sources of the mixed pool are drawn and spoiled: the answers of one are shuffled
among its rows, those of another are garbled (letters in random order within words), those of the
third are cut short (a tenth of the words). The default score learns from copies with these faults;
--faults names others, of which it knows nothing. What counts is the share of spoiled rows in the
final subset of 5 %, all rounds together. By default a refinement draws by the score within clusters
from the first round on, and only its weights are blind then; "random within" is wholly blind then.
The static draws with a temperature go by the very same quality: what the rounds add is the rest.
With --models a small transformer is trained in each round, too, and scores by each of its measures.
Prints a Markdown table of means over the seeds ± standard deviation, the share of each kind, the
effective number of clusters, the coverage of the rows that are not spoiled, and seconds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.clusters import cluster, require_clusters
from core.features import embed, load_features
from core.ingest import init_pool
from core.pool import Pool
from core.progress import silent
from core.project import Project
from core.quality import HEURISTICS, PREFIX
from core.refinement import loop
from core.refinement.draw import Standing, draw_round
from core.refinement.own_scores import SCORES, all_scores, as_quality
from core.refinement.plan import OWN_TEMPERATURE
from core.refinement.registry import DEFAULT_SCORER, Place
from core.refinement.weights import Update, cluster_scores, update_weights
from core.runs import load_run, select

RATIO, CLUSTERS = 0.05, 256
CHAT = ("sgd", "taskmaster4")  # of several turns: there is not one answer to spoil
LARGE, WORDS = 1500, 8  # rows of a source that is spoiled, and words of its answers in the median
TAUGHT = ("shuffled", "garbled", "cut")  # faults that the default score learns from
REPEATED = 8  # words that are said again and again
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I am not able to answer this question.",
    "I do not have enough information to do that.",
    "Sorry, I cannot assist with this request.",
)
COVERED = 1000  # rows that are not spoiled, whose nearest chosen row is looked for


def garbled(text: str, generator: np.random.Generator) -> str:
    """The same words with their letters in random order."""
    return " ".join("".join(generator.permutation(list(word))) for word in text.split())


def cut(text: str) -> str:
    """The first tenth of the words, one at least."""
    words = text.split()
    return " ".join(words[: max(1, len(words) // 10)])


def repeated(text: str) -> str:
    """As many words, all of them the first few."""
    words = text.split()
    return " ".join(words[at % REPEATED] for at in range(len(words)))


Answers = list[str]
# Spoiled answers of a source, of its instructions and answers.
FAULTS: dict[str, Callable[[Answers, Answers, np.random.Generator], Answers]] = {
    "shuffled": lambda asked, said, random: [said[at] for at in random.permutation(len(said))],
    "garbled": lambda asked, said, random: [garbled(text, random) for text in said],
    "cut": lambda asked, said, random: [cut(text) for text in said],
    "repeated": lambda asked, said, random: [repeated(text) for text in said],
    "echoed": lambda asked, said, random: asked,
    "refused": lambda asked, said, random: random.choice(REFUSALS, len(said)).tolist(),
}


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
    made: list[dict[str, str]],
    sources: list[str],
    faults: Sequence[str],
    generator: np.random.Generator,
) -> np.ndarray:
    """Spoil a source by each fault; return the place of each row's fault, -1 for none."""
    kinds, of = np.full(len(made), -1), np.array([row["source"] for row in made])
    for kind, source in enumerate(generator.permutation(sources)[: len(faults)]):
        print(f"{source} is {faults[kind]}", flush=True)
        mine = np.flatnonzero(of == source)
        kinds[mine] = kind
        asked = [made[row]["instruction"] for row in mine]
        answers = FAULTS[faults[kind]](asked, [made[row]["output"] for row in mine], generator)
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


def scores_of(project: Project) -> np.ndarray:
    """The default score of every row; worked out once."""
    pool, labels = Pool.open(project), require_clusters(project).labels
    place = Place(labels, project.root / SCORES)
    return all_scores(DEFAULT_SCORER, pool, place, progress=silent)


def quality(project: Project) -> Path:
    """A file with what a refinement draws by within a cluster."""
    file, values = project.root.parent / "quality.parquet", as_quality(scores_of(project))
    pq.write_table(pa.table({"row": np.arange(len(values)), "score": values}), file)
    return file


def weighed_once(project: Project, seed: int) -> np.ndarray:
    """One draw, by weights that the scores of all rows give: no round, and none is blind."""
    scores, labels = scores_of(project), require_clusters(project).labels
    sizes, none = np.bincount(labels), np.zeros(len(labels), bool)
    weights = update_weights(
        sizes / len(labels), cluster_scores(labels, scores, len(sizes)), Update()
    )
    drawn = draw_round(
        Standing(labels, none, none, none),
        weights,
        int(RATIO * len(labels)),
        within="kmq",
        seed=seed,
        quality=as_quality(scores),
        temperature=OWN_TEMPERATURE,
    )
    return drawn.rows


def spread(project: Project, rows: np.ndarray, good: np.ndarray) -> tuple[float, float]:
    """Effective number of clusters, (Σn)²/Σn², and mean cosine of good rows to their nearest.

    Parameters
    ----------
    good : rows that are not spoiled; some of them are looked at, always the same.
    """
    share = np.bincount(require_clusters(project).labels[rows]) / len(rows)
    vectors = load_features(project).vectors
    some = np.sort(np.random.default_rng(0).permutation(good)[:COVERED])
    nearest = (vectors[some].astype(np.float32) @ vectors[rows].astype(np.float32).T).max(axis=1)
    return float(1 / (share**2).sum()), float(nearest.mean())


LENGTH = PREFIX + next(iter(HEURISTICS))
WAYS: dict[str, Callable[[Project, int], np.ndarray]] = {
    "random": lambda project, seed: static(project, "random", seed),
    f"static kMQ, {LENGTH}": lambda project, seed: static(project, "kmq", seed, quality=LENGTH),
    f"static kMQ, soundness, T = {OWN_TEMPERATURE:g}": lambda project, seed: static(
        project, "kmq", seed, quality_file=quality(project), temperature=OWN_TEMPERATURE
    ),
    "refined by soundness, 3 rounds": lambda project, seed: refined(project, 3, seed),
    "refined by soundness, 5 rounds": lambda project, seed: refined(project, 5, seed),
    "… random within, 3 rounds": lambda project, seed: refined(project, 3, seed, within="random"),
    "… random within, 5 rounds": lambda project, seed: refined(project, 5, seed, within="random"),
    "… ucb, 5 rounds": lambda project, seed: refined(project, 5, seed, update="ucb"),
    "one draw, clusters weighed by soundness": weighed_once,
    "refined by coherence, 3 rounds": lambda project, seed: refined(
        project, 3, seed, scorer="coherence"
    ),
    "refined by coherence, 5 rounds": lambda project, seed: refined(
        project, 5, seed, scorer="coherence"
    ),
}


# A model so small that a round of a few hundred rows takes half a minute.
SMALL = {"width": 128, "layers": 2, "vocabulary": 2048, "max_tokens": 192, "epochs": 2}
MEASURES = ("loss", "ratio", "loss-reduction")  # of the scorer by perplexity


def by_model(measure: str) -> Callable[[Project, int], np.ndarray]:
    """Refined by what the round's own model makes of the rows."""
    return lambda project, seed: refined(
        project,
        3,
        seed,
        trainer="proxy",
        trainer_options=SMALL,
        scorer="perplexity",
        scorer_options={"measure": measure},
    )


BY_MODELS = {f"refined by {one}, 3 rounds": by_model(one) for one in MEASURES}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, help="Of the pool; default: all.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=TAUGHT)
    parser.add_argument("--models", action="store_true", help="Also score by models: minutes each.")
    options = parser.parse_args()
    table = pq.read_table(options.data / "mix_pool.parquet")
    ways = WAYS | (BY_MODELS if options.models else {})
    found: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    seconds: dict[str, float] = dict.fromkeys(ways, 0.0)
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            generator = np.random.default_rng(seed)
            made, sources = draw_rows(table, options.rows, generator)
            kinds = spoil(made, sources, options.faults, generator)
            project = make_project(made, seed, Path(folder))
            for way, draw in ways.items():
                started = time.perf_counter()
                rows = draw(project, seed)
                seconds[way] += time.perf_counter() - started
                chosen = kinds[rows]
                every = range(len(options.faults))
                shares = [(chosen >= 0).mean(), *((chosen == k).mean() for k in every)]
                around = spread(project, rows, np.flatnonzero(kinds < 0))
                found[way].append(np.array([*shares, *around]))
                print(seed, way, found[way][-1].round(3), flush=True)
    heads = ["spoiled", *options.faults, "effective clusters", "coverage", "s"]
    print(f"\n| {len(kinds):,} rows, {RATIO:.0%} chosen | {' | '.join(heads)} |")
    print(f"|---|{'---:|' * len(heads)}")
    for way, values in found.items():
        means, deviations = np.mean(values, axis=0), np.std(values, axis=0)
        shares = zip(means[:-2], deviations[:-2], strict=True)
        cells = [f"{100 * mean:.1f} ± {100 * deviation:.1f} %" for mean, deviation in shares]
        cells += [f"{means[-2]:.0f}", f"{means[-1]:.3f}"]
        print(f"| {way} | {' | '.join(cells)} | {seconds[way] / len(options.seeds):.1f} |")


if __name__ == "__main__":
    main()
