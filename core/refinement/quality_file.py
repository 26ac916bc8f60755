"""Quality of a pool's rows as a file of scores, which `select --quality-file` reads."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.clusters import require_clusters
from core.decisions import load_decisions
from core.errors import InputError
from core.paths import check_new_file, user_path
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, atomic_file
from core.refinement.model_quality import MEASURES
from core.refinement.models import opened
from core.refinement.own_scores import all_scores
from core.refinement.parameters import DEVICE, MAX_TOKENS
from core.refinement.registry import OF_ALL_ROWS
from core.refinement.steps import Ground
from core.selection.base import resolve_options
from core.values import encode_ranges

WITHOUT_MODEL = OF_ALL_ROWS
_BLOCK = 2048  # rows in memory together
_TOKENS = replace(MAX_TOKENS, default=2048)


@dataclass(frozen=True)
class QualityReport:
    """What was scored.

    Attributes
    ----------
    file : where the scores are, a table of row and score.
    rows, scored : rows that are kept, and those of them that have a score.
    unscored : the others, as ranges: they have no prompt or no answer.
    mean : of the scores.
    """

    measure: str
    model: str | None
    file: str
    rows: int
    scored: int
    unscored: str
    mean: float
    seconds: float


def write_quality(
    project: Project,
    *,
    measure: str,
    model: str | None = None,
    out: str | Path,
    device: str = DEVICE.default,
    max_tokens: int = _TOKENS.default,
    overwrite: bool = False,
    progress: Progress = silent,
) -> QualityReport:
    """Score the kept rows of a pool and write a Parquet file with the columns row and score.

    Parameters
    ----------
    measure : one of `MEASURES`, which need a model, or of `WITHOUT_MODEL`.
    model : folder or name on the hub of a causal model; for DEITA's measures, of its scorer.
    out : a file that ends in ``.parquet``; rows that cannot be scored are left out of it.
    device : "auto", "cpu" or "cuda".
    max_tokens : longer rows are cut.

    Raises
    ------
    InputError
        No such measure or model, one is missing or given where none is used, it does not fit the
        memory or gives no numbers, an option is out of range, the place cannot be used, there are
        no clusters, or no row is kept or has what is scored.
    """
    started = time.perf_counter()
    _check(measure, model)
    settings = resolve_options(
        "Quality by a model", (DEVICE, _TOKENS), {"device": device, "max_tokens": max_tokens}
    )
    target = _place(out, overwrite)
    pool = Pool.open(project)
    rows = load_decisions(project, pool.rows).candidates
    if not len(rows):
        raise InputError("All rows are dropped; restore some, or undo.")
    if model is None:
        values = _without_model(project, pool, measure, progress)[rows]
    else:
        values = _measured(pool, rows, measure, model, progress=progress, **settings)
    scored = np.isfinite(values)
    if not scored.any():
        raise InputError(
            f"No row can be scored by {measure}: each lacks a prompt or an answer.",
            option="measure",
        )
    try:
        with atomic_file(target) as temporary:
            pq.write_table(pa.table({"row": rows[scored], "score": values[scored]}), temporary)
    except OSError as error:
        raise InputError(
            f"Cannot write {target}: {error.strerror or error}; free some space or choose another "
            "place.",
            option="out",
        ) from error
    return QualityReport(
        measure,
        model,
        str(target),
        len(rows),
        int(scored.sum()),
        encode_ranges(rows[~scored]),
        float(values[scored].mean()),
        round(time.perf_counter() - started, 3),
    )


def _check(measure: str, model: str | None) -> None:
    known = (*WITHOUT_MODEL, *MEASURES)
    if measure not in known:
        raise InputError(
            f"There is no measure {measure!r}; use one of {', '.join(known)}.", option="measure"
        )
    if model is None and measure in MEASURES:
        raise InputError(f"{measure} needs a model; name its folder or hub id.", option="model")
    if model is not None and measure in WITHOUT_MODEL:
        raise InputError(f"{measure} uses no model; leave it out.", option="model")


def _without_model(
    project: Project, pool: Pool, measure: str, progress: Progress
) -> NDArray[np.float64]:
    ground = Ground(project, pool, require_clusters(project))
    return all_scores(measure, pool, ground.place, progress=progress)


def _place(out: str | Path, overwrite: bool) -> Path:
    path = check_new_file(user_path(out, "out").absolute(), "out", overwrite=overwrite)
    if path.suffix != ".parquet":
        raise InputError(f"{out} must end in .parquet.", option="out")
    return path


def _measured(
    pool: Pool,
    rows: NDArray[np.int64],
    measure: str,
    model: str,
    *,
    device: str,
    max_tokens: int,
    progress: Progress,
) -> NDArray[np.float64]:
    values = np.full(len(rows), np.nan)
    progress(0, 0, "loading the model")
    with opened(model, device) as loaded:
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]

            def tell(done: int, total: int, what: str, start: int = start) -> None:
                progress(start + done, len(rows), what)

            values[start : start + len(part)] = MEASURES[measure](
                loaded, list(pool.records(part)), max_tokens, rows=part, progress=tell
            )
    return values
