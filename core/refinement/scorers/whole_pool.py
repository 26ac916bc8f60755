"""Scorers that need no model: every row of the pool is scored once, and kept for all rounds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.encoders import make_encoder, static_revision
from core.feature_store import read_json
from core.pool import Pool
from core.progress import Progress
from core.project import atomic_folder, fingerprint, write_json
from core.refinement.base import RoundWork, Scores

Numbers = NDArray[np.float64]
Compute = Callable[..., Numbers]  # compute(pool, encoder, progress=…) -> (pool rows,)


@dataclass(frozen=True)
class PoolScorer:
    """Scores rows by what is computed of all rows of the pool, with static features.

    Attributes
    ----------
    name, key : which scores these are; another key computes them anew.
    compute : gives float64 of shape (pool rows,); not a number for a row that has no score.
    folder : of the project's artefacts; a folder by fingerprint is kept in it.
    lacking : what a row without a score has not, for people.
    """

    name: str
    key: tuple[object, ...]
    compute: Compute
    folder: Path
    lacking: str

    def score(self, work: RoundWork, model: Path | None, *, progress: Progress) -> Scores:
        """Score the rows; `model` is not looked at."""
        values = self.all_rows(work.pool, progress=progress)[work.rows]
        missing = int(np.isnan(values).sum())
        notes: tuple[str, ...] = ()
        if missing:
            notes = (
                f"{missing:,} of {len(values):,} rows have {self.lacking}, and were not scored.",
            )
        return Scores(values, notes)

    def all_rows(self, pool: Pool, *, progress: Progress) -> Numbers:
        """Return the scores of every row of the pool; errors as of `compute`."""
        # By its revision alone: most rounds find the scores of the first one.
        made_of = fingerprint(self.name, *self.key, pool.fingerprint, static_revision())
        stored = self._stored(self.folder / made_of, pool.rows)
        if stored is not None:
            return stored
        encoder = make_encoder("static", "auto", progress)
        values = self.compute(pool, encoder, progress=progress)
        with atomic_folder(self.folder / made_of) as temporary:
            np.save(temporary / f"{self.name}.npy", values)
            write_json(temporary / "meta.json", {"pool": pool.fingerprint, "rows": pool.rows})
        return values

    def _stored(self, folder: Path, rows: int) -> Numbers | None:
        """Values of an earlier call; None if they are missing or damaged."""
        try:
            values: Numbers = np.load(folder / f"{self.name}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        whole = read_json(folder / "meta.json") is not None
        return values if whole and values.shape == (rows,) and values.dtype == np.float64 else None


def pair_of(pool: Pool, rows: NDArray[np.int64]) -> tuple[list[str], list[str], NDArray[np.bool_]]:
    """Instructions and answers of rows, and which rows have both."""
    page = pool.page(rows)
    asked, said = page["prompt"].tolist(), page["answer"].tolist()
    both = [bool(x and x.strip() and y and y.strip()) for x, y in zip(asked, said, strict=True)]
    return asked, said, np.array(both, bool)
