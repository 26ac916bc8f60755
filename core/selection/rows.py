"""The vectors of the candidates, as the rules that compare rows with rows hold them."""

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.selection.base import Problem

Vectors = NDArray[np.float32]

_MOST_BYTES = 12 << 30  # half of what a machine for a million rows has
_BLOCK = 16_384


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Scale vectors of shape (rows, dim) to norm 1; those of norm 0 stay."""
    scaled: Vectors = np.array(vectors, np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    norms[norms == 0] = 1
    scaled /= norms[:, None]
    return scaled


def gather(problem: Problem, label: str, *, as_unit: bool) -> Vectors:
    """Return the candidates' vectors, of norm 1 if `as_unit`; shape (candidates, dim).

    Raises
    ------
    InputError
        They are too many to be held in memory; it names a rule that needs not hold them.
    """
    features, candidates = problem.features, problem.candidates
    assert features is not None  # solve() looked
    shape = (len(candidates), features.shape[1])
    size = 4 * shape[0] * shape[1]
    if size > _MOST_BYTES:
        raise InputError(
            f"{label} would hold {shape[0]:,} vectors of {shape[1]:,} dimensions, "
            f"{size / 2**30:.0f} GiB, in memory, more than {_MOST_BYTES >> 30}; "
            "drop rows, use a smaller encoder, or use kmeans-closest."
        )
    vectors = np.empty(shape, np.float32)
    for start in range(0, len(candidates), _BLOCK):
        block = features[candidates[start : start + _BLOCK]]
        vectors[start : start + _BLOCK] = unit(block) if as_unit else block
    return vectors
