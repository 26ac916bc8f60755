"""Coherence: whether an answer belongs to its own instruction; needs no model.

s_i = cos(x_i, y_i) − (1/(n−1)) Σ_{j≠i, of i's cluster} cos(x_j, y_i)

with x the instructions, y the answers and n the rows of the cluster that have both. An answer that
was given to another question, or to none, fits its own no better than the rest of the cluster.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.encoders import Encoder
from core.errors import InputError
from core.pool import Pool
from core.progress import Progress
from core.refinement.scorers.whole_pool import PoolScorer, pair_of

_VERSION = 1  # another number computes all anew
_BLOCK = 8192  # rows encoded together


def coherence_scorer(labels: NDArray[np.integer], folder: Path) -> PoolScorer:
    """The scorer by these clusters, int ndarray of shape (pool rows,)."""
    labels = np.ascontiguousarray(labels, np.int32)
    return PoolScorer(
        "coherence",
        (_VERSION, labels.tobytes().hex()),
        partial(coherence, labels),
        folder,
        "no instruction, no answer or no other row in their cluster",
    )


def coherence(
    labels: NDArray[np.integer], pool: Pool, encoder: Encoder, *, progress: Progress
) -> NDArray[np.float64]:
    """Compute the coherence of every row; O(rows) and exact, by the clusters' sums of vectors.

    Parameters
    ----------
    labels : int ndarray of shape (pool rows,), from 0.

    Returns
    -------
    float64 ndarray of shape (pool rows,), in [-2, 2]; not a number for a row without instruction
    or answer, and for one that is alone in its cluster.

    Raises
    ------
    InputError
        The labels are not those of this pool.
    """
    if labels.shape != (pool.rows,):
        raise InputError("The clusters are not those of this pool; cluster it again.")
    asked = np.zeros((pool.rows, encoder.dim), np.float32)
    said = np.zeros((pool.rows, encoder.dim), np.float32)
    both = np.zeros(pool.rows, bool)
    for start in range(0, pool.rows, _BLOCK):
        stop = min(start + _BLOCK, pool.rows)
        prompts, answers, both[start:stop] = pair_of(pool, np.arange(start, stop))
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
