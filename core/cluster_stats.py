"""Statistics of clusters: all of them in a few arrays, and one of them for its card."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.clusters import Clusters, check_numbers, require_clusters
from core.decisions import load_decisions
from core.errors import InputError
from core.features import load_features
from core.pool import Categories, Pool
from core.project import Project
from core.quality import quality_of
from core.values import as_rows, check_seed

_BLOCK = 16_384
_BINS = 24  # of a histogram on a card
_NEAREST = 6
_RANDOM = 5

Values = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ClusterStats:
    """What there is to say of every cluster; arrays are of shape (k,), by number.

    Attributes
    ----------
    rows, kept, pinned : int64, counts of rows.
    median_length : float64, characters of prompt and answer.
    mean_quality : float64, of the rows that have one, NaN where none has; None without quality.
    duplicates : float64, share of the rows with the text of an earlier row of the pool.
    mean_cosine : float64, mean cosine of the rows with their centroid: near 1 where they say much
        the same. It says nothing of how many rows are near one another.
    selected : float64, share of the rows that were chosen; None where no choice was given.
    """

    titles: list[str]
    rows: Counts
    kept: Counts
    pinned: Counts
    median_length: Values
    mean_quality: Values | None
    duplicates: Values
    mean_cosine: Values
    selected: Values | None
    _labels: NDArray[np.int32]
    _sources: Categories

    def sources(self, number: int) -> dict[str, float]:
        """Share of a cluster's rows by source, most first; sources without rows are left out."""
        if not 0 <= number < len(self.rows):
            last = len(self.rows) - 1
            raise InputError(f"There is no cluster {number}; the clusters are 0 to {last}.")
        counts = self._by_source
        here = slice(counts.indptr[number], counts.indptr[number + 1])
        codes, rows = counts.indices[here], counts.data[here]
        order = np.lexsort((codes, -rows))
        return {
            self._sources.names[codes[one]]: float(rows[one] / self.rows[number]) for one in order
        }

    def as_dicts(self) -> list[dict[str, Any]]:
        """A line for each cluster, for tables and JSON; values that are not there are None."""
        return [
            {
                "cluster": number,
                "title": title,
                "rows": int(self.rows[number]),
                "kept": int(self.kept[number]),
                "pinned": int(self.pinned[number]),
                "median_length": float(self.median_length[number]),
                "mean_quality": _value(self.mean_quality, number),
                "duplicates": float(self.duplicates[number]),
                "mean_cosine": float(self.mean_cosine[number]),
                "selected": _value(self.selected, number),
                "sources": self.sources(number),
            }
            for number, title in enumerate(self.titles)
        ]

    @cached_property
    def _by_source(self) -> Any:
        """Sparse matrix of rows by cluster and source: a pool may have many sources."""
        from scipy.sparse import csr_array

        shape = (len(self.rows), max(1, len(self._sources.names)))
        ones = np.ones(len(self._labels), np.int64)
        return csr_array((ones, (self._labels, self._sources.codes)), shape=shape)


@dataclass(frozen=True)
class Histogram:
    """Rows of a cluster by a value, in bins that are the same for all clusters of the pool.

    Attributes
    ----------
    edges : float64 of shape (bins + 1,), ascending, at most 24 bins; a value at an inner edge is in
        the upper bin.
    counts : int64 of shape (bins,)
    """

    edges: Values
    counts: Counts


@dataclass(frozen=True)
class Neighbor:
    """Another cluster, and the cosine of its centroid with this one's."""

    cluster: int
    title: str
    cosine: float


@dataclass(frozen=True)
class ClusterCard:
    """One cluster as its card shows it.

    Attributes
    ----------
    sources : share of its rows by source, most first.
    lengths, quality : histograms; the second is None without quality.
    nearest : other clusters, nearest first.
    central, border, random : rows; nearest to the centroid, nearly in another cluster, and drawn.
    """

    cluster: int
    title: str
    keywords: list[str]
    rows: int
    sources: dict[str, float]
    lengths: Histogram
    quality: Histogram | None
    nearest: tuple[Neighbor, ...]
    central: list[int]
    border: list[int]
    random: list[int]


def cluster_stats(
    project: Project,
    *,
    quality: str | Values | None = None,
    selected: Any = None,
) -> ClusterStats:
    """Describe every cluster of the features in use.

    Parameters
    ----------
    quality : an original column, ``heuristic:`` and a key of `core.quality.HEURISTICS`, or numbers
        of shape (rows,), NaN where a row has none.
    selected : rows that were chosen, of a run for instance, as numbers or as a mask.

    Raises
    ------
    InputError
        There are no clusters; the quality cannot be used; a row is not in the pool.
    """
    project = project.snapshot()
    clusters, pool = require_clusters(project), Pool.open(project)
    decisions = load_decisions(project, pool.rows)
    cosines = clusters.cosines
    if cosines is None:  # clusters of an earlier version
        vectors = load_features(project).vectors
        cosines = mean_cosines(vectors, clusters.labels, clusters.centroids).tolist()
    return measure_clusters(
        clusters,
        dropped=decisions.dropped,
        pinned=decisions.pinned,
        lengths=pool.lengths(),
        duplicates=pool.duplicates() >= 0,
        cosines=np.array(cosines, np.float64),
        sources=pool.sources(),
        quality=_quality(pool, quality),
        selected=None if selected is None else as_rows(selected, pool.rows),
    )


def measure_clusters(
    clusters: Clusters,
    *,
    dropped: NDArray[np.bool_],
    pinned: NDArray[np.bool_],
    lengths: NDArray[np.integer],
    duplicates: NDArray[np.bool_],
    cosines: Values,
    sources: Categories,
    quality: Values | None = None,
    selected: NDArray[np.int64] | None = None,
) -> ClusterStats:
    """Describe every cluster from arrays of shape (rows,) that are in memory; O(n log n).

    `cosines` is of shape (k,), `selected` holds row numbers.
    """
    labels, k = clusters.labels, len(clusters.sizes)
    rows = _counts(labels, k)
    return ClusterStats(
        list(clusters.titles),
        rows,
        _counts(labels[~dropped], k),
        _counts(labels[pinned], k),
        medians(labels, lengths, k),
        None if quality is None else _means(labels, quality, k),
        _share(_counts(labels[duplicates], k), rows),
        cosines,
        None if selected is None else _share(_counts(labels[selected], k), rows),
        labels,
        sources,
    )


def cluster_card(
    project: Project,
    number: int,
    *,
    quality: str | Values | None = None,
    seed: int = 0,
) -> ClusterCard:
    """Describe one cluster; `quality` as of `cluster_stats`.

    Parameters
    ----------
    seed : of the random rows.

    Raises
    ------
    InputError
        There are no clusters, or not this one; the quality or the seed cannot be used.
    """
    check_seed(seed)
    project = project.snapshot()
    clusters, pool = require_clusters(project), Pool.open(project)
    check_numbers(clusters, [number])
    rows = np.flatnonzero(clusters.labels == number)
    sources = pool.sources()
    counts = np.bincount(sources.codes[rows], minlength=len(sources.names))
    order = [one for one in np.argsort(-counts, kind="stable") if counts[one]]
    lengths, scores = pool.lengths(), _quality(pool, quality)
    drawn = np.random.default_rng([seed, number]).choice(
        rows, min(_RANDOM, len(rows)), replace=False
    )
    return ClusterCard(
        number,
        clusters.titles[number],
        clusters.keywords[number],
        len(rows),
        {sources.names[one]: float(counts[one] / len(rows)) for one in order},
        histogram(lengths[rows], length_edges(lengths)),
        None if scores is None else histogram(scores[rows], quality_edges(scores)),
        nearest_clusters(clusters, number),
        clusters.central[number],
        clusters.border[number],
        drawn.tolist(),
    )


def nearest_clusters(clusters: Clusters, number: int, most: int = _NEAREST) -> tuple[Neighbor, ...]:
    """The clusters whose centroids have the highest cosine with that of one, highest first."""
    cosines = clusters.centroids @ clusters.centroids[number]
    order = [one for one in np.argsort(-cosines, kind="stable").tolist() if one != number]
    return tuple(
        Neighbor(one, clusters.titles[one], float(min(1.0, cosines[one]))) for one in order[:most]
    )


def length_edges(lengths: NDArray[np.integer]) -> Values:
    """Edges of the length histograms: bins of the same ratio, since lengths differ by thousands.

    The first bin begins at 0 and the last one ends at the longest row, so that one row in a
    thousand, very short or very long, does not push all others together. There are fewer bins
    where lengths hardly differ.
    """
    low, high = np.percentile(lengths, [0.1, 99.9])
    inner = np.geomspace(max(1.0, low), max(1.0, high), _BINS - 1)
    return np.unique(np.r_[0.0, inner, float(lengths.max())])


def quality_edges(scores: Values) -> Values:
    """Edges of the quality histograms: equal bins from the lowest to the highest finite score."""
    finite = scores[np.isfinite(scores)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def histogram(values: NDArray[Any], edges: Values) -> Histogram:
    """Count values between edges; the highest edge is in the last bin, NaN in none."""
    counts, _ = np.histogram(values[np.isfinite(values)], edges)
    return Histogram(edges, counts.astype(np.int64))


def medians(labels: NDArray[np.int32], values: NDArray[np.integer], k: int) -> Values:
    """Median of whole numbers, 0 or more and below 2³², by label; NaN where a label has no rows."""
    # One sort of label and value together: a third of the time of two.
    keys = np.sort((labels.astype(np.int64) << 32) | values.astype(np.int64))
    counts = _counts(labels, k)
    starts = np.cumsum(counts) - counts
    found = np.full(k, np.nan)
    some = counts > 0
    low = keys[(starts + (counts - 1) // 2)[some]] & 0xFFFFFFFF
    high = keys[(starts + counts // 2)[some]] & 0xFFFFFFFF
    found[some] = (low + high) / 2
    return found


def mean_cosines(
    vectors: NDArray[Any], labels: NDArray[np.int32], centroids: NDArray[np.float32]
) -> Values:
    """Mean cosine of the rows of each label with its centroid; reads all vectors, in blocks."""
    totals = np.zeros(len(centroids))
    for start in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK], np.float32)
        here = labels[start : start + _BLOCK]
        cosines = np.einsum("ij,ij->i", block, centroids[here])
        totals += np.bincount(here, cosines, len(centroids))
    return _share(totals, _counts(labels, len(centroids)))


def _quality(pool: Pool, quality: str | Values | None) -> Values | None:
    if quality is None:
        return None
    if isinstance(quality, str):
        return quality_of(pool, quality)
    scores = np.asarray(quality)
    if scores.shape != (pool.rows,) or scores.dtype.kind not in "fiub":
        raise InputError(
            f"Quality must be a number for each of the {pool.rows:,} rows, not {scores.dtype} of "
            f"shape {scores.shape}.",
            option="quality",
        )
    return scores.astype(np.float64)


def _counts(labels: NDArray[np.int32], k: int) -> Counts:
    return np.bincount(labels, minlength=k).astype(np.int64)


def _means(labels: NDArray[np.int32], values: Values, k: int) -> Values:
    finite = np.isfinite(values)
    labels = labels[finite]
    return _share(np.bincount(labels, values[finite], k), _counts(labels, k))


def _share(part: NDArray[Any], whole: Counts) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: Values = part / whole
    return shares


def _value(values: Values | None, number: int) -> float | None:
    """One of the values; None, which JSON knows, for NaN."""
    return None if values is None or np.isnan(values[number]) else float(values[number])
