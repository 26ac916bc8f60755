"""Coherence: whether an answer belongs to its own instruction; needs no model.

s_i = cos(x_i, y_i) − (1/(n−1)) Σ_{j≠i, of i's cluster} cos(x_j, y_i)

with x the instructions, y the answers and n the rows of the cluster that have both. An answer that
was given to another question, or to none, fits its own no better than the rest of the cluster.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.encoders import Encoder, make_encoder
from core.errors import InputError
from core.feature_store import read_json
from core.pool import Pool
from core.progress import Progress
from core.project import atomic_folder, fingerprint, write_json
from core.refinement.base import RoundWork, Scores

_VERSION = 1  # another number computes all anew
_BLOCK = 8192  # rows encoded together


@dataclass(frozen=True)
class Coherence:
    """Scores rows by the coherence of all rows of the pool, which is computed once.

    Attributes
    ----------
    labels : int ndarray of shape (pool rows,); the cluster of every row.
    folder : of the project's artefacts; a folder by fingerprint is kept in it.
    """

    labels: NDArray[np.integer]
    folder: Path

    def score(self, work: RoundWork, model: Path | None, *, progress: Progress) -> Scores:
        """Score the rows; `model` is not looked at."""
        values = self.all_rows(work.pool, progress=progress)[work.rows]
        missing = int(np.isnan(values).sum())
        notes: tuple[str, ...] = ()
        if missing:
            notes = (
                f"{missing:,} of {len(values):,} rows have no instruction, no answer or no other "
                "row in their cluster, and were not scored.",
            )
        return Scores(values, notes)

    def all_rows(self, pool: Pool, *, progress: Progress) -> NDArray[np.float64]:
        """Return the coherence of every row of the pool; not a number where it has none.

        Raises
        ------
        InputError
            The labels are not those of this pool.
        """
        if self.labels.shape != (pool.rows,):
            raise InputError("The clusters are not those of this pool; cluster it again.")
        encoder = make_encoder("static", "auto", progress)
        labels = np.ascontiguousarray(self.labels, np.int32)
        name = fingerprint(
            "coherence", _VERSION, pool.fingerprint, encoder.revision, labels.tobytes().hex()
        )
        stored = _stored(self.folder / name, pool.rows)
        if stored is not None:
            return stored
        values = coherence(pool, labels, encoder, progress=progress)
        with atomic_folder(self.folder / name) as temporary:
            np.save(temporary / "coherence.npy", values)
            write_json(temporary / "meta.json", {"pool": pool.fingerprint, "rows": pool.rows})
        return values


def coherence(
    pool: Pool, labels: NDArray[np.integer], encoder: Encoder, *, progress: Progress
) -> NDArray[np.float64]:
    """Compute the coherence of every row; O(rows) and exact, by the clusters' sums of vectors.

    Parameters
    ----------
    labels : int ndarray of shape (pool rows,), from 0.

    Returns
    -------
    float64 ndarray of shape (pool rows,), in [-2, 2]; not a number for a row without instruction
    or answer, and for one that is alone in its cluster.
    """
    asked = np.zeros((pool.rows, encoder.dim), np.float32)
    said = np.zeros((pool.rows, encoder.dim), np.float32)
    both = np.zeros(pool.rows, bool)
    for start in range(0, pool.rows, _BLOCK):
        stop = min(start + _BLOCK, pool.rows)
        page = pool.page(np.arange(start, stop))
        prompts, answers = page["prompt"].tolist(), page["answer"].tolist()
        both[start:stop] = [
            bool(x and x.strip() and y and y.strip()) for x, y in zip(prompts, answers, strict=True)
        ]
        asked[start:stop] = encoder.encode(prompts).vectors
        said[start:stop] = encoder.encode(answers).vectors
        progress(stop, pool.rows, "reading instructions and answers")
    return from_vectors(asked, said, labels, both)


def from_vectors(
    asked: NDArray[np.float32],
    said: NDArray[np.float32],
    labels: NDArray[np.integer],
    both: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Coherence from unit vectors of instructions and answers; rows not in `both` get no number."""
    k = int(labels.max(initial=-1)) + 1
    counts = np.bincount(labels[both], minlength=k)
    sums = np.zeros((k, asked.shape[1]))
    np.add.at(sums, labels[both], asked[both])
    own = np.einsum("ij,ij->i", asked, said, dtype=np.float64)
    of_cluster = np.einsum("ij,ij->i", sums[labels], said)
    others = counts[labels] - 1
    usable = both & (others > 0)
    found = np.full(len(labels), np.nan)
    found[usable] = own[usable] - (of_cluster[usable] - own[usable]) / others[usable]
    return found


def _stored(folder: Path, rows: int) -> NDArray[np.float64] | None:
    """Values of an earlier call; None if they are missing or damaged."""
    try:
        values: NDArray[np.float64] = np.load(folder / "coherence.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = read_json(folder / "meta.json") is not None
    return values if whole and values.shape == (rows,) and values.dtype == np.float64 else None
