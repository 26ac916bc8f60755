"""Does a model learn more from rows that were chosen? Held-out loss of small models from scratch.

    python -m benchmarks.refinement_training --data ../shared/data [--seeds 0 1 2]

For each seed a pool is drawn from the mixed pool, and a small transformer is trained from nothing
on as many rows as each way chooses; what counts is its loss a token on rows of a target task that
nobody chose from. TSDS chooses anew for each target, by 50 examples of it; the other ways know
none. Prints a Markdown table of means over the seeds ± standard deviation, in nats, and the mean of
the differences to Random with its 95 % interval (t, paired by seed and target).
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import stats

from benchmarks.refinement import RATIO, draw_rows, make_project, refined, static
from core.pool import Pool
from core.progress import silent
from core.project import Project
from core.records import Record, parse
from core.refinement.base import RoundWork
from core.refinement.chat import encode
from core.refinement.likelihood import answer_losses
from core.refinement.models import load_model
from core.refinement.trainers.proxy import Proxy
from core.targets import add_target

ROWS = 8_000
TARGETS = ("gsm8k", "medquad", "nl2bash", "scitldr")
HELD_OUT = 200  # rows of a target, at most
SMALL = {"width": 128, "layers": 2, "vocabulary": 2048, "max_tokens": 192, "epochs": 4}
TRAINED = {**SMALL, "epochs": 2, "learning_rate": 3e-3}  # within the rounds
Way = Callable[[Project, int, str], np.ndarray]


def train(project: Project, rows: np.ndarray, seed: int, folder: Path) -> Path:
    """Train a model from nothing on some rows; return its folder."""
    pool = Pool.open(project)
    folder.mkdir()
    labels = np.zeros(len(rows), np.int32)
    work = RoundWork(1, pool, rows, list(pool.records(rows)), labels, folder, None, seed)
    proxy = Proxy(**SMALL, batch_rows=8, learning_rate=3e-3, device="auto")
    model = proxy.train(work, progress=silent).model
    assert model is not None
    return model


def held_out_loss(model_folder: Path, records: list[Record]) -> float:
    """Mean loss a token of the answers of some rows, in nats."""
    model = load_model(model_folder, "cpu", exact=True)
    examples = encode(model.tokenizer, records, model.limit(SMALL["max_tokens"])).rows
    return float(np.nanmean(answer_losses(model, examples, progress=silent)))


def add_targets(project: Project, data: Path) -> dict[str, list[Record]]:
    """Make target sets of the examples, and return rows that are held out."""
    held_out = {}
    for name in TARGETS:
        table = pq.read_table(data / "targets" / f"target_{name}.parquet")
        examples, others = (table.filter(pc.equal(table["use"], u)) for u in ("query", "holdout"))
        file = project.root.parent / f"{name}.parquet"
        pq.write_table(examples, file)
        add_target(project, name, [file])
        held_out[name] = [parse(row, "alpaca") for row in others.slice(0, HELD_OUT).to_pylist()]
    return held_out


WAYS: dict[str, tuple[bool, Way]] = {  # whether it knows the target, and its rows
    "random": (False, lambda project, seed, _: static(project, "random", seed)),
    "static kMQ, length": (
        False,
        lambda project, seed, _: static(project, "kmq", seed, quality="heuristic:length"),
    ),
    "refined, soundness": (False, lambda project, seed, _: refined(project, 3, seed)),
    "refined, loss reduction of a model trained in rounds": (
        False,
        lambda project, seed, _: refined(
            project,
            3,
            seed,
            trainer="proxy",
            trainer_options=TRAINED,
            scorer="perplexity",
            scorer_options={"measure": "loss-reduction"},
        ),
    ),
    "TSDS KNN-KDE": (
        True,
        lambda project, seed, target: static(project, "tsds-kde", seed, target=target),
    ),
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    table = pq.read_table(options.data / "mix_pool.parquet")
    losses = {way: np.empty((len(options.seeds), len(TARGETS))) for way in WAYS}
    for at, seed in enumerate(options.seeds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made, _ = draw_rows(table, options.rows, np.random.default_rng(seed))
            project = make_project(made, seed, folder)
            held_out = add_targets(project, options.data)
            for way, (aimed, draw) in WAYS.items():
                model = None
                for j, target in enumerate(TARGETS):
                    if aimed or model is None:
                        rows = draw(project, seed, target)
                        model = train(project, rows, seed, folder / f"{list(WAYS).index(way)}-{j}")
                    losses[way][at, j] = held_out_loss(model, held_out[target])
                print(seed, way, losses[way][at].round(3), flush=True)
    budget = round(RATIO * options.rows)
    print(f"\n| {budget:,} of {options.rows:,} rows | {' | '.join(TARGETS)} | less than random |")
    print("|---|" + "---:|" * (len(TARGETS) + 1))
    for way, found in losses.items():
        cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(found.mean(0), found.std(0), strict=True)]
        less = (losses["random"] - found).ravel()
        half = stats.sem(less) * stats.t.ppf(0.975, len(less) - 1) if less.any() else 0.0
        cells.append(f"{less.mean():+.3f} ± {half:.3f}" if less.any() else "")
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
