"""What there is to say of a subset in numbers: diversity, coverage, balance, and the target."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.metrics_functions import (
    COVERED_ROWS,
    NEAR_DUPLICATE,
    NOVEL_ROWS,
    TRANSPORT_ROWS,
    Codes,
    Vectors,
    covered,
    evenness,
    mean,
    near_duplicates,
    nearest_distances,
    novelsum,
    target_knn,
    target_ot,
    vendi,
)
from core.neighbors import exact_neighbors

CHARACTERS_A_TOKEN = 4  # as tokenizers of today cut English


@dataclass(frozen=True)
class Subset:
    """The chosen rows and what they are compared with.

    Attributes
    ----------
    vectors : float32 ndarray of shape (chosen, dim)
        Of unit norm, in the order of the rows in the pool.
    pool : float32 ndarray of shape (pool rows, dim)
        Of unit norm: the rows that could have been chosen, or a sample of them.
    lengths : int ndarray of shape (chosen,)
        Characters of each chosen row.
    sources, n_sources : the source of each chosen row, as a number below how many the pool has.
    novel, density : int64 and float64 ndarrays of shape (novel,)
        Positions among the chosen rows whose novelty is averaged, and `density` there.
    labels, n_clusters : the cluster of each chosen row, if there are clusters.
    """

    vectors: NDArray[np.float32]
    pool: NDArray[np.float32]
    lengths: Codes
    sources: Codes
    n_sources: int
    novel: NDArray[np.int64]
    density: NDArray[np.float64]
    labels: Codes | None = None
    n_clusters: int = 0

    @cached_property
    def gaps(self) -> NDArray[np.float32]:
        """Distance of each chosen row to the nearest other one."""
        return nearest_distances(self.vectors)

    @cached_property
    def reach(self) -> NDArray[np.float32]:
        """Distance of each row of `pool` to the nearest chosen one."""
        return exact_neighbors(self.pool, self.vectors, 1).distances[:, 0]


@dataclass(frozen=True)
class Metric:
    """A metric and all that a page or the command line says of it.

    Attributes
    ----------
    definition : one sentence.
    range : the values it can take, in words.
    good : which way is better, "" where neither is.
    function : from a `Subset`; with `needs_target` from the chosen rows and the target's.
    """

    id: str
    label: str
    definition: str
    range: str
    good: Literal["higher", "lower", ""]
    function: Callable[..., float]
    source: str = "standard"
    needs_clusters: bool = False
    needs_target: bool = False


def measure(subset: Subset) -> dict[str, float]:
    """Return every metric that needs no target, by id; those without a value are left out."""
    return _values(
        (metric.id, metric.function(subset))
        for metric in METRICS.values()
        if not metric.needs_target and (subset.labels is not None or not metric.needs_clusters)
    )


def measure_target(chosen: Vectors, targets: Vectors) -> dict[str, float]:
    """Return every metric that needs a target, by id.

    Parameters
    ----------
    chosen, targets : ndarrays of shape (rows, dim), of unit norm
    """
    return _values(
        (metric.id, metric.function(chosen, targets))
        for metric in METRICS.values()
        if metric.needs_target
    )


def _values(pairs: Iterator[tuple[str, float]]) -> dict[str, float]:
    return {name: value for name, value in pairs if not math.isnan(value)}


_ALL = (
    Metric(
        id="novelsum",
        label="NovelSum",
        definition="Mean novelty of a chosen row: its cosine distances to the others, near ones "
        f"weighing more, times how dense the pool is there (on {NOVEL_ROWS:,} rows at most).",
        range="at least 0",
        good="higher",
        function=lambda s: novelsum(s.vectors, s.novel, s.density),
        source="arXiv 2502.17184, exponents 1 (proximity) and 0.5 (density), 10 neighbours",
    ),
    Metric(
        id="vendi",
        label="Vendi score",
        definition="How many rows that have nothing in common would be as diverse, by the "
        "cosines of all pairs of chosen rows.",
        range="from 1 to the number of chosen rows",
        good="higher",
        function=lambda s: vendi(s.vectors),
        source="arXiv 2210.02410, order 1, cosine kernel",
    ),
    Metric(
        id="nearest",
        label="Nearest chosen row",
        definition="Mean distance of a chosen row to the nearest other chosen row.",
        range="from 0 to 2",
        good="higher",
        function=lambda s: mean(s.gaps),
    ),
    Metric(
        id="near_duplicates",
        label="Near-duplicates",
        definition="Share of chosen rows that have an earlier chosen row at a cosine of at least "
        f"{NEAR_DUPLICATE}.",
        range="from 0 to 1",
        good="lower",
        function=lambda s: near_duplicates(s.vectors, s.gaps),
    ),
    Metric(
        id="coverage_radius",
        label="Coverage radius",
        definition="Largest distance of a kept row to its nearest chosen row (on "
        f"{COVERED_ROWS:,} rows at most).",
        range="from 0 to 2",
        good="lower",
        function=lambda s: float(s.reach.max()) if len(s.reach) else math.nan,
    ),
    Metric(
        id="coverage_mean",
        label="Mean distance to a chosen row",
        definition="Mean distance of a kept row to its nearest chosen row (on "
        f"{COVERED_ROWS:,} rows at most).",
        range="from 0 to 2",
        good="lower",
        function=lambda s: mean(s.reach),
    ),
    Metric(
        id="clusters_covered",
        label="Clusters covered",
        definition="Share of the clusters that have a chosen row.",
        range="from 0 to 1",
        good="higher",
        function=lambda s: covered(s.labels, s.n_clusters),
        needs_clusters=True,
    ),
    Metric(
        id="cluster_entropy",
        label="Cluster entropy",
        definition="Entropy of the chosen rows over the clusters: 0 for one cluster, 1 for equal "
        "shares.",
        range="from 0 to 1",
        good="",
        function=lambda s: evenness(s.labels, s.n_clusters),
        needs_clusters=True,
    ),
    Metric(
        id="source_entropy",
        label="Source entropy",
        definition="Entropy of the chosen rows over the pool's sources: 0 for one source, 1 for "
        "equal shares.",
        range="from 0 to 1",
        good="",
        function=lambda s: evenness(s.sources, s.n_sources),
    ),
    Metric(
        id="characters",
        label="Characters a row",
        definition="Mean length of a chosen row, in characters.",
        range="at least 0",
        good="",
        function=lambda s: mean(s.lengths),
    ),
    Metric(
        id="tokens",
        label="Tokens in all, estimated",
        definition=f"Characters of all chosen rows over {CHARACTERS_A_TOKEN}, as for English text; "
        "other languages need more tokens.",
        range="at least 0",
        good="",
        function=lambda s: float(s.lengths.sum(dtype=np.int64)) / CHARACTERS_A_TOKEN,
    ),
    Metric(
        id="target_knn",
        label="Target to nearest row",
        definition="Mean distance of a target row to its nearest chosen row.",
        range="from 0 to 2",
        good="lower",
        function=target_knn,
        needs_target=True,
    ),
    Metric(
        id="target_ot",
        label="Transport to the target",
        definition="Mean distance when the chosen rows are moved onto the target rows in the "
        f"cheapest way (on {TRANSPORT_ROWS:,} rows of each at most).",
        range="from 0 to 2",
        good="lower",
        function=target_ot,
        source="optimal transport, solved exactly (POT, ot.emd2)",
        needs_target=True,
    ),
)
METRICS = {metric.id: metric for metric in _ALL}
