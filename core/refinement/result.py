"""The result of a refinement as a run, which is compared, exported and replayed like any other."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.clusters import require_clusters
from core.decision_log import Decisions
from core.decision_state import Tags
from core.errors import InputError
from core.features import load_features
from core.pool import Pool
from core.progress import Progress
from core.project import Project
from core.quality import quality_of, read_scores
from core.recipe import make_recipe
from core.refinement import METHOD
from core.refinement.draw import Draw, Standing, draw_round
from core.refinement.own_scores import SCORES, all_scores, as_quality, scorer_of
from core.refinement.plan import Plan
from core.refinement.registry import Place
from core.refinement.round_store import Round
from core.refinement.rounds_recipe import read_weights, write_weights
from core.runs import RunReport, count_sources, put_run, rows_sha256
from core.values import decode_ranges, encode_ranges, plain


@dataclass(frozen=True)
class Part:
    """What a round did to the subset.

    Attributes
    ----------
    lost : rows of earlier rounds that left it.
    seed, weights, dropped, pinned : what the round drew with; the last two as ranges of rows.
    """

    draw: Draw
    lost: NDArray[np.int64]
    seed: int
    weights: NDArray[np.float64]
    dropped: str
    pinned: str


def part_of(one: Round) -> Part:
    """What a round on disk did."""
    table, drawn = one.table, one.drawn
    draw = Draw(
        one.rows,
        table["probability"].to_numpy(),
        tuple(table["why"].to_pylist()),
        drawn.support,
        drawn.notes,
    )
    lost = decode_ranges(drawn.lost)
    return Part(draw, lost, drawn.seed, one.weights, drawn.dropped, drawn.pinned)


def subset_mask(parts: Sequence[Part], rows: int) -> NDArray[np.bool_]:
    """The rows that the rounds brought and did not lose, bool of shape (rows,)."""
    mask = np.zeros(rows, bool)
    for part in parts:
        mask[part.lost] = False
        mask[part.draw.rows] = True
    return mask


def store_result(
    project: Project,
    plan: Plan,
    labels: NDArray[np.integer],
    rounds: Sequence[Round],
    *,
    started: float | None = None,
) -> RunReport:
    """Keep what the rounds brought as the run of the refinement's name, in place of an earlier one.

    Parameters
    ----------
    project : with the features and clusters of the plan in use.
    labels : cluster of each pool row.
    started : `time.perf_counter()` when the work began; default: now.
    """
    parts = [part_of(one) for one in rounds]
    numbers = [one.number for one in rounds]
    return _store(project, labels, _request(plan), parts, numbers, started)


def redraw(
    project: Project, recipe: dict[str, Any], quality_file: str | None, *, progress: Progress
) -> RunReport:
    """Draw the rounds of a recipe again, in a project made anew, and keep them as a run.

    Nothing is trained or scored: the recipe has the weights.

    Raises
    ------
    InputError
        A round cannot be drawn: its clusters or rows are others.
    """
    started = time.perf_counter()
    wanted, pool = recipe["selection"], Pool.open(project)
    labels = require_clusters(project).labels
    within, temperature = (wanted["parameters"][key] for key in ("within", "temperature"))
    features = load_features(project).vectors if within == "closest" else None
    quality = None
    if within == "kmq":
        place = Place(labels, project.root / SCORES)
        quality = _quality(pool, wanted, quality_file, place, progress)
    parts: list[Part] = []
    numbers = []
    made = recipe["refinement"]["rounds"]
    dropped = pinned = ""
    for at, one in enumerate(made):
        progress(at, len(made), "drawing rounds")
        dropped = dropped if one.get("dropped") is None else one["dropped"]
        pinned = pinned if one.get("pinned") is None else one["pinned"]
        standing = standing_of(parts, labels, dropped, pinned)
        weights = read_weights(one["weights"])
        clusters = int(labels.max(initial=-1)) + 1
        free, first = len(standing.candidates), len(standing.first)
        if len(weights) < clusters or not first <= one["size"] <= free:
            raise InputError(
                f"Round {one['number']} of the recipe cannot be drawn again: it has "
                f"{len(weights):,} clusters and {one['size']:,} rows, of {clusters:,} and {free:,}."
            )
        draw = draw_round(
            standing,
            weights,
            one["size"],
            within=within,
            seed=one["seed"],
            quality=quality,
            temperature=temperature,
            features=features,
        )
        parts.append(Part(draw, standing.lost, one["seed"], weights, dropped, pinned))
        numbers.append(one["number"])
    name = wanted["name"] or METHOD
    return _store(project, labels, {**wanted, "name": name}, parts, numbers, started)


def first_other_round(recipe: dict[str, Any], made: list[dict[str, Any]]) -> int | None:
    """Number of the first round whose rows are not those of the recipe, if there is one."""
    for one, again in zip(recipe["refinement"]["rounds"], made, strict=True):
        if one["rows_sha256"] != again["rows_sha256"]:
            return int(one["number"])
    return None


def standing_of(
    parts: Sequence[Part], labels: NDArray[np.integer], dropped: str, pinned: str
) -> Standing:
    """How things stand after some rounds, with these decisions (as ranges)."""
    masks = [np.zeros(len(labels), bool) for _ in range(2)]
    for mask, ranges in zip(masks, (dropped, pinned), strict=True):
        chosen = decode_ranges(ranges)
        if len(chosen) and chosen[-1] >= len(labels):
            raise InputError(f"There is no row {chosen[-1]}; the pool has {len(labels):,} rows.")
        mask[chosen] = True
    return Standing(labels, subset_mask(parts, len(labels)), *masks)


def decisions_of(standing: Standing) -> Decisions:
    """The decisions that a round drew with; the log and the tags of then are not known."""
    none = Tags({}, len(standing.labels))
    return Decisions(standing.dropped, standing.pinned, none, (), None, None)


def _quality(
    pool: Pool, wanted: dict[str, Any], file: str | None, place: Place, progress: Progress
) -> NDArray[np.float64]:
    if file:
        return read_scores(file, pool.rows, np.empty(0, np.int64))
    scorer = scorer_of(wanted["quality"])
    if scorer is not None:
        return as_quality(all_scores(scorer, pool, place, progress=progress))
    return quality_of(pool, str(wanted["quality"]))


def _request(plan: Plan) -> dict[str, Any]:
    return {
        "method": METHOD,
        "budget": plan.budget,
        "ratio": plan.ratio,
        "target": None,
        "quality": plan.quality,
        "by": None,
        "seed": plan.seed,
        "quality_file": plan.quality_file,
        "limits": [],
        "max_cosine": None,
        "semdedup": None,
        "name": plan.name,
        "parameters": plan.settings,
    }


def _store(
    project: Project,
    labels: NDArray[np.integer],
    request: dict[str, Any],
    parts: list[Part],
    numbers: list[int],
    started: float | None,
) -> RunReport:
    started = time.perf_counter() if started is None else started
    pool = Pool.open(project)
    rows = np.flatnonzero(subset_mask(parts, pool.rows))
    # A row that was lost and drawn again is that of its last draw.
    drawn = np.concatenate([part.draw.rows for part in parts])
    probability, why = np.empty(pool.rows), np.empty(pool.rows, object)
    probability[drawn] = np.concatenate([part.draw.probabilities for part in parts])
    told = [
        f"round {number}: {reason}"
        for number, part in zip(numbers, parts, strict=True)
        for reason in part.draw.why
    ]
    why[drawn] = told
    report = RunReport(
        request["name"],
        METHOD,
        len(rows),
        max([len(rows), *(part.draw.support for part in parts)]),
        rows_sha256(rows),
        count_sources(pool, rows),
        tuple(dict.fromkeys(note for part in parts for note in part.draw.notes)),
        {"round": numbers[-1], **_short(request["parameters"])},
        round(time.perf_counter() - started, 3),
        None,
        request["seed"],
    )
    last = standing_of(parts, labels, parts[-1].dropped, parts[-1].pinned)
    recipe = make_recipe(
        project, decisions_of(last), request, asdict(report), True, describe_rounds(parts, numbers)
    )
    table = pa.table(
        {
            "row": rows,
            "probability": probability[rows],
            "cluster": labels[rows],
            "why": pa.array(why[rows].tolist(), pa.string()),
        }
    )
    put_run(project, report, table, recipe)
    return report


def describe_rounds(parts: Sequence[Part], numbers: Sequence[int]) -> list[dict[str, Any]]:
    """What the rounds drew with, for a recipe; see `core.refinement.rounds_recipe`."""
    found: list[dict[str, Any]] = []
    before: Part | None = None
    for number, part in zip(numbers, parts, strict=True):
        one: dict[str, Any] = {"number": number, "seed": part.seed, "size": len(part.draw.rows)}
        for key in ("dropped", "pinned"):
            if before is None or getattr(before, key) != getattr(part, key):
                one[key] = getattr(part, key)
        one["weights"] = write_weights(part.weights)
        one["rows_sha256"] = rows_sha256(part.draw.rows)
        found.append(one)
        before = part
    return found


def _short(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without empty ones."""
    return plain({key: value for key, value in settings.items() if value not in ({}, None)})


def ranges(mask: NDArray[np.bool_]) -> str:
    """The rows of a mask, as ranges."""
    return encode_ranges(np.flatnonzero(mask))
