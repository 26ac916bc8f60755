"""Features: one unit vector for every row, computed shard by shard and read by memory map."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError, command
from core.feature_store import Store, begun_with, complete_meta, open_vectors
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, fingerprint

# Part of every fingerprint: another number makes all features anew.
_STORE_VERSION = 1
# The rows that `auto` tries: files are often sorted by source, so they come from all over.
_TRIAL_PLACES, _TRIAL_ROWS = 32, 8


@dataclass(frozen=True)
class FeaturesReport:
    """What `embed` or `import_features` did.

    Attributes
    ----------
    resumed_rows : rows whose vectors an earlier, interrupted call had stored.
    rows_per_second : of the rows encoded by this call; 0.0 when there were none.
    truncated : rows longer than the encoder reads; their end does not count.
    reason : why this encoder was taken, when it was chosen by itself.
    minilm_seconds : estimate of what MiniLM would take on this machine, when that was tried.
    """

    encoder: str
    rows: int
    dim: int
    resumed_rows: int
    rows_per_second: float
    seconds: float
    truncated: int
    device: str
    fingerprint: str
    reason: str = ""
    minilm_seconds: float | None = None


@dataclass(frozen=True)
class Features:
    """The vectors in use.

    Attributes
    ----------
    encoder : "static", "minilm", a folder, a hub id, or where the vectors were imported from.
    vectors : memory-mapped, shape (rows, dim), unit norm within rounding; float16 if they were
        encoded here, float32 if they were imported.
    """

    fingerprint: str
    encoder: str
    vectors: NDArray[Any]
    meta: dict[str, Any]

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.vectors.shape[1])


def embed(
    project: Project,
    *,
    encoder: str = "auto",
    device: str = "auto",
    progress: Progress = silent,
) -> FeaturesReport:
    """Encode every row of the pool; a call after an interrupted one goes on where that stopped.

    Parameters
    ----------
    encoder : "auto", "static", "minilm", a sentence-transformers folder or a hub id. "auto" goes
        on with what was begun; else it takes MiniLM if a short trial says that it is done within
        two minutes here, else static.
    device : "auto", "cpu" or "cuda".

    Raises
    ------
    InputError
        No pool, no such encoder, no such device.
    BusyError
        Another process writes to the project.
    """
    from core.encoders import make_encoder

    started = time.perf_counter()
    with project.writing("embed"):
        pool = Pool.open(project)
        reason, minilm_seconds = "", None
        if encoder == "auto":
            encoder, reason, minilm_seconds = _choose(project, pool, device, progress)
        elif Path(encoder).expanduser().is_dir() and encoder not in ("static", "minilm"):
            # Target sets are encoded later, perhaps from elsewhere.
            encoder = str(Path(encoder).expanduser().absolute())
        progress(0, pool.rows, "loading the encoder")
        model = make_encoder(encoder, device, progress)
        name = fingerprint(
            "features", _STORE_VERSION, pool.fingerprint, model.name, model.revision, model.dim
        )
        store = Store(project.artefact("features", name), pool.rows, model.dim)
        filled = store.fill(pool, model, encoder, progress)
        fresh = pool.rows - filled.resumed
        report = FeaturesReport(
            model.name,
            pool.rows,
            model.dim,
            filled.resumed,
            round(fresh / filled.seconds, 1) if fresh else 0.0,
            round(time.perf_counter() - started, 3),
            filled.truncated,
            model.device,
            name,
            reason,
            minilm_seconds,
        )
        made_by = {"encoder": encoder, "revision": model.revision, "precision": model.precision}
        store.finish(asdict(report) | made_by)
        project.point("features", name)
    return report


def load_features(project: Project) -> Features:
    """Open the features in use.

    Raises
    ------
    InputError
        There are none yet, or their files are damaged.
    """
    name = project.pointer("features")
    if name is None:
        raise InputError(
            f"{project.name} has no features yet; run {command('embed', project.root)}."
        )
    folder = project.artefact("features", name)
    meta, vectors = complete_meta(folder), open_vectors(folder)
    if meta is None or vectors is None:
        again = command("embed", project.root)
        raise InputError(f"The features in {folder} are damaged; run {again} again.")
    return Features(name, meta["encoder"], vectors, meta)


def list_features(project: Project) -> list[dict[str, Any]]:
    """Return the `meta.json` of all complete features of the project, in use or not."""
    folders = sorted(project.artefact("features", "").glob("*/"))
    return [meta for folder in folders if (meta := complete_meta(folder)) is not None]


def _choose(
    project: Project, pool: Pool, device: str, progress: Progress
) -> tuple[str, str, float | None]:
    """What "auto" stands for, why, and what MiniLM would take (if that was tried)."""
    from core.encoders import choose_encoder

    if any(meta["encoder"] == "minilm" for meta in list_features(project)):
        return "minilm", "MiniLM's vectors are there already.", None
    begun = begun_with(project, pool, ("minilm", "static"))
    if begun is not None:
        return begun, f"An earlier run began with {begun}.", None
    progress(0, pool.rows, "trying MiniLM on a few rows")
    choice = choose_encoder(_trial(pool), pool.rows, device)
    return choice.encoder, choice.reason, choice.minilm_seconds


def _trial(pool: Pool) -> Sequence[str]:
    """Texts from all over the pool, shuffled: it may be that only the first ones are tried."""
    last = max(pool.rows - _TRIAL_ROWS, 0)
    starts = np.unique(np.linspace(0, last, _TRIAL_PLACES).astype(int))
    stops = np.minimum(starts + _TRIAL_ROWS, pool.rows)
    texts = [
        text for ends in zip(starts, stops, strict=True) for text in pool.texts(*map(int, ends))
    ]
    return [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
