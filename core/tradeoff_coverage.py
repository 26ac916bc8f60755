"""Which target examples found close rows in the pool, and how many each of them pulled."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.neighbors import exact_neighbors
from core.selection import Problem, Selection
from core.selection.nearest import target_neighbors, vectors_of

_SAMPLED = 256  # rows that tell what is close in a pool; as many as find it to some 2 %
CLOSE_SHARE = 0.9


@dataclass(frozen=True)
class Coverage:
    """What each target example found; arrays of shape (n_targets,).

    Attributes
    ----------
    pulled : int64 ndarray
        Chosen rows that the target sent mass to.
    nearest : int64 ndarray
        The candidate nearest to it, a row number of the pool.
    distances, cosines : float32 ndarrays
        From the target to that row; L2.
    close_distance : float
        A row within it is close: as near as nine in ten rows of the pool have another row.
    """

    pulled: NDArray[np.int64]
    nearest: NDArray[np.int64]
    distances: NDArray[np.float32]
    cosines: NDArray[np.float32]
    close_distance: float

    @property
    def close(self) -> NDArray[np.bool_]:
        """Whether the target found a close row."""
        return self.distances <= self.close_distance

    @property
    def order(self) -> NDArray[np.int64]:
        """The targets, the one whose nearest row is farthest first."""
        return np.argsort(-self.distances, kind="stable")


def close_distance(problem: Problem) -> float:
    """The distance within which 90 % of a sample of candidates have another candidate.

    It goes by the pool, since what a distance means differs from encoder to encoder.
    """
    vectors = vectors_of(problem, problem.candidates)
    sample = np.random.default_rng(0).permutation(len(vectors))[:_SAMPLED]
    near = exact_neighbors(vectors[np.sort(sample)], vectors, 2)
    # A candidate finds itself or a copy first; alone in the pool it has no other.
    return float(np.quantile(near.distances[:, -1], CLOSE_SHARE))


def cover(problem: Problem, selection: Selection, close: float) -> Coverage:
    """Find the nearest candidate of each target, and count what it pulled.

    Parameters
    ----------
    problem : Problem
        With features and targets.
    selection : Selection
        Of it, by a rule whose reasons are pulls.
    close : float
        From `close_distance`.
    """
    targets, pulls = problem.targets, selection.reasons.pulls
    assert problem.features is not None and targets is not None and pulls is not None

    near = target_neighbors(problem, 1)
    rows = problem.candidates[near.indices[:, 0]]
    cosines = _cosines(targets, np.asarray(problem.features[rows], np.float32))
    pulled = np.bincount(pulls.targets, minlength=len(targets))
    return Coverage(pulled, rows, near.distances[:, 0].copy(), cosines, close)


def _cosines(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float32]:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines: NDArray[np.float32] = np.einsum("ij,ij->i", a, b) / np.where(norms > 0, norms, 1)
    return cosines.astype(np.float32)
