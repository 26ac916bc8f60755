"""The metrics as pure functions over arrays. The table of them is in `core.metrics`.

Vectors are of unit norm, distances are L2 unless a line says cosine. A function returns NaN where
it has no value, such as the nearest other row of a single one.
"""

import hashlib
import math
import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.neighbors import exact_neighbors
from core.progress import Progress, silent
from core.selection.sampling import uniform

Vectors = NDArray[np.floating]
Codes = NDArray[np.integer]

NEAR_DUPLICATE = 0.95  # cosine from which two rows count as near-duplicates
COVERED_ROWS = 20_000  # rows of the pool that coverage looks at
NOVEL_ROWS = 4_000  # chosen rows whose novelty is averaged
TRANSPORT_ROWS = 2_000  # rows of each side in a transport problem: seconds to solve
_DENSITY_NEIGHBORS = 10  # as in the paper on NovelSum
_REGULARIZATION = 1e-9  # of its authors' code: a mean distance of zero would divide by it
_SAMPLE_SEED = (71, 83)  # no seed that a run can have: a sample must not be what Random draws
_CELLS = 1 << 25  # 128 MB of float32 at a time
_BLOCK = 8_192


def unit_rows(vectors: Vectors) -> NDArray[np.float32]:
    """Return the rows in float32, scaled to a norm of 1; a row of zeros stays."""
    rows = np.array(vectors, np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(norms > 0, norms, 1)
    return rows


def sampled(count: int, most: int) -> NDArray[np.int64]:
    """Return the numbers below `count`, or `most` of them, always the same; ascending."""
    if count <= most:
        return np.arange(count)
    return uniform(count, most, np.random.default_rng(_SAMPLE_SEED))


def distinct(vectors: Vectors) -> NDArray[np.int64]:
    """Return the first row of each kind, where rows of the same bits are of one kind; ascending."""
    seen: dict[bytes, int] = {}
    for row, vector in enumerate(vectors):
        seen.setdefault(hashlib.blake2b(vector.tobytes(), digest_size=16).digest(), row)
    return np.fromiter(seen.values(), np.int64, len(seen))


def density(queries: Vectors, pool: Vectors, *, progress: Progress = silent) -> NDArray[np.float64]:
    """How dense the pool is around rows of it: NovelSum's factor, with its exponent of 0.5.

    One over the root of the mean squared distance to the 10 nearest other rows.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, dim)
        Rows of the pool.
    pool : ndarray of shape (n_rows, dim)
        Its distinct rows; copies would make a density endless.

    Returns
    -------
    float64 ndarray of shape (n_queries,)
    """
    near = exact_neighbors(queries, pool, 1 + _DENSITY_NEIGHBORS, progress=progress)
    squared = np.square(near.distances[:, 1:], dtype=np.float64)
    means = squared.mean(axis=1) if squared.shape[1] else np.zeros(len(queries))
    return 1 / np.sqrt(means + _REGULARIZATION)


def novelsum(chosen: Vectors, positions: NDArray[np.int64], densities: Vectors) -> float:
    """NovelSum (arXiv 2502.17184), averaged over the rows at `positions`.

    The novelty of a row is its density times the mean cosine distance to all other chosen rows,
    in which the one of rank r, nearest first, weighs 1 / r.

    Parameters
    ----------
    chosen : ndarray of shape (n, dim), of unit norm
    positions : int64 ndarray of shape (m,)
        Rows of `chosen`.
    densities : ndarray of shape (m,)
        `density` of those rows.

    Notes
    -----
    As the authors' code computes it, with the paper's exponents: 1 for the proximity, 0.5 for the
    density of 10 neighbours. The density is that of the row whose novelty it is, the row itself
    has no rank, and the mean is taken over ranks and rows. It still falls as a subset grows, so
    compare it with Random at the same budget. Costs O(m n (dim + log n)).
    """
    if len(chosen) < 2:
        return math.nan
    weights = 1 / np.arange(1, len(chosen))
    weights /= weights.sum()
    total = 0.0
    for cut in _cuts(len(positions), len(chosen)):
        distances = 1 - chosen[positions[cut]] @ chosen.T
        distances[np.arange(len(distances)), positions[cut]] = np.inf
        distances.sort(axis=1)
        total += float(densities[cut] @ (distances[:, :-1] @ weights))
    return total / len(positions)


def vendi(chosen: Vectors) -> float:
    """Vendi score (arXiv 2210.02410): how many rows that have nothing in common say as much.

    The exponential of the entropy of the eigenvalues of K / n, where K holds the cosines of all
    pairs of the n rows. Where n is above the dimension, they are those of the dim × dim matrix.
    """
    n, dim = chosen.shape
    if n <= dim:
        rows = chosen.astype(np.float64)
        matrix = rows @ rows.T
    else:
        matrix = np.zeros((dim, dim))
        for start in range(0, n, _BLOCK):
            rows = chosen[start : start + _BLOCK].astype(np.float64)
            matrix += rows.T @ rows
    values = np.linalg.eigvalsh(matrix / n)
    values = values[values > 0]
    return float(np.exp(-(values * np.log(values)).sum()))


def nearest_distances(chosen: Vectors) -> NDArray[np.float32]:
    """Return each row's distance to the nearest other row, shape (n,); NaN for a single row."""
    from core.graph_search import neighbor_graph

    if len(chosen) < 2:
        return np.full(len(chosen), np.nan, np.float32)
    return neighbor_graph(chosen, 1).distances[:, 0]


def near_duplicates(chosen: Vectors, gaps: NDArray[np.floating]) -> float:
    """Share of rows with an earlier one at a cosine of at least 0.95.

    Parameters
    ----------
    chosen : ndarray of shape (n, dim), of unit norm
    gaps : ndarray of shape (n,)
        Their `nearest_distances`: most rows need no second look.
    """
    # Somewhat more than the distance at that cosine, for rounding.
    close = chosen[np.square(gaps) <= 2 - 2 * NEAR_DUPLICATE + 1e-4]
    found = 0
    for cut in _cuts(len(close), len(close)):
        cosines = close[cut] @ close[: cut.stop].T
        earlier = np.tril(cosines >= NEAR_DUPLICATE, cut.start - 1)
        found += int(np.count_nonzero(earlier.any(axis=1)))
    return found / len(chosen)


def covered(codes: Codes, groups: int) -> float:
    """Share of the groups 0 … groups - 1 that occur among the codes of the chosen rows."""
    return len(np.unique(codes)) / groups


def evenness(codes: Codes, groups: int) -> float:
    """Entropy of the codes over that of even shares: 0 for one group, 1 for equal shares.

    NaN where there are fewer than two groups.
    """
    if groups < 2:
        return math.nan
    shares = np.bincount(codes, minlength=groups) / len(codes)
    shares = shares[shares > 0]
    # Rounding may leave it a little above.
    return min(1.0, float((shares * np.log(1 / shares)).sum() / np.log(groups)))


def target_knn(chosen: Vectors, targets: Vectors) -> float:
    """Mean distance of a target row to the nearest chosen row."""
    return float(exact_neighbors(targets, chosen, 1).distances.mean(dtype=np.float64))


def target_ot(chosen: Vectors, targets: Vectors) -> float:
    """Exact cost of moving the target rows, of equal mass, onto the chosen rows, of equal mass.

    The cost of a move is the distance (so this is the 1-Wasserstein distance). On the same 2,000
    rows at most of either side.
    """
    # POT looks for torch, which takes seconds to import and is not needed for NumPy arrays.
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    import ot

    goal = targets[sampled(len(targets), TRANSPORT_ROWS)].astype(np.float64)
    rows = chosen[sampled(len(chosen), TRANSPORT_ROWS)].astype(np.float64)
    costs = ot.dist(goal, rows, metric="euclidean")
    return float(ot.emd2([], [], costs, numItermax=10_000_000))


def mean(values: NDArray[np.number]) -> float:
    """Mean of the values; NaN where there are none."""
    return float(values.mean(dtype=np.float64)) if len(values) else math.nan


def _cuts(rows: int, columns: int) -> Iterator[slice]:
    """Blocks of rows of a matrix that are small enough to hold."""
    step = max(1, _CELLS // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
