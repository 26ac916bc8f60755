"""Clusters: k-means on unit vectors, with a title, keywords and example rows for each."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.cluster_log import ClusterEdit
from core.errors import InputError, command
from core.features import load_features
from core.kmeans import assign, kmeans
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, atomic_folder, fingerprint
from core.titles import title_clusters
from core.values import check_seed

_VERSION = 2  # another number makes all clusters anew
_EXAMPLES = 5  # central and border rows of a cluster
_SILHOUETTE_ROWS = 2_048  # the mean is then known to about 0.005
_SEARCH_ROWS = 20_000
_SEARCH_STEPS = 8
_MOST_CLUSTERS = 512  # more titles than that nobody reads


@dataclass(frozen=True)
class ClustersReport:
    """What `cluster` did; `silhouette` is cosine silhouette in [-1, 1] on a sample.

    `edits` is how many edits of these clusters were found and stay in use; all else is said of the
    clusters with them.
    """

    k: int
    silhouette: float
    sizes: tuple[int, ...]
    titles: tuple[str, ...]
    seconds: float
    fingerprint: str
    edits: int = 0


@dataclass(frozen=True)
class Clusters:
    """The clusters of the features in use, numbered 0 … k - 1.

    Attributes
    ----------
    labels : int32 of shape (rows,)
    centroids : float32 of shape (k, dim), unit norm
    titles, keywords, sizes : one for each cluster; no two titles are alike
    central, border : rows nearest to the centroid, and rows that nearly belong elsewhere
    cosines : mean cosine of the rows with their centroid; None in clusters of an earlier version
    edits : what was done to them since k-means, oldest first; see `core.cluster_edits`
    parent : fingerprint of the clusters before the last edit; None where there was none
    grouping : fingerprint that stays the same while only titles change
    """

    fingerprint: str
    labels: NDArray[np.int32]
    centroids: NDArray[np.float32]
    titles: list[str]
    keywords: list[list[str]]
    sizes: list[int]
    central: list[list[int]]
    border: list[list[int]]
    seed: int
    silhouette: float
    cosines: list[float] | None = None
    edits: tuple[ClusterEdit, ...] = ()
    parent: str | None = None
    grouping: str = ""

    @property
    def k(self) -> int:
        """How many k-means made, before any edit."""
        return len(self.sizes) - sum(edit.added for edit in self.edits)


def cluster(
    project: Project,
    *,
    k: int | Literal["auto"] = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> ClustersReport:
    """Group the pool's rows by their vectors.

    Clusters that were made before are put in use again, with the edits that a person made to them;
    `core.cluster_edits.undo_cluster_edit` goes back to those without.

    Parameters
    ----------
    k : number of clusters; "auto" takes the one with the best silhouette on a sample, among
        numbers between √rows / 4 and √rows.
    seed : of the first centroids and of the samples.

    Raises
    ------
    InputError
        No features yet, `k` is below 1 or above the number of rows, or the seed is out of range.
    BusyError
        Another process writes to the project.
    """
    started = time.perf_counter()
    check_seed(seed)
    with project.writing("cluster"):
        pool, features = Pool.open(project), load_features(project)
        vectors = features.vectors
        if k != "auto" and not 1 <= k <= len(vectors):
            raise InputError(
                f"The number of clusters must be from 1 to {len(vectors):,} (the rows), not {k}.",
                option="k",
            )
        chosen = choose_k(vectors, seed, progress) if k == "auto" else k
        name = fingerprint("clusters", _VERSION, features.fingerprint, chosen, seed)
        folder = project.artefact("clusters", name)
        if not (folder / "meta.json").is_file():
            _make(folder, pool, vectors, chosen, seed, progress)
        read_clusters(folder, pool.rows)  # damaged ones are not put in use
        name = _put_in_use(project, f"clusters:{features.fingerprint}", name)
        made = read_clusters(project.artefact("clusters", name), pool.rows)
    return ClustersReport(
        len(made.sizes),
        made.silhouette,
        tuple(made.sizes),
        tuple(made.titles),
        round(time.perf_counter() - started, 3),
        name,
        len(made.edits),
    )


def _put_in_use(project: Project, kind: str, name: str) -> str:
    """Put clusters of k-means in use, with the edits made to them before; return what is in use.

    Clusters that are left are remembered with their edits, under `edited:<fingerprint>`.
    """
    while True:
        now = project.pointer(kind)
        left = _before_edits(project, now) if now else None
        if now is not None and left == name:
            return now
        found = project.pointer(f"edited:{name}")
        new = found if found and _before_edits(project, found) == name else name
        if now is None:
            project.point(kind, new)
            return new
        if left is not None:
            project.point(f"edited:{left}", now)
        if project.repoint(kind, now, new):
            return new


def _before_edits(project: Project, name: str) -> str | None:
    """The clusters of k-means that were edited to these; None if some in between are gone."""
    while True:
        try:
            path = project.artefact("clusters", name) / "meta.json"
            parent = json.loads(path.read_text(encoding="utf-8")).get("parent")
        except (OSError, ValueError, AttributeError):
            return None
        if not isinstance(parent, str):
            return name
        name = parent


def load_clusters(project: Project) -> Clusters | None:
    """Open the clusters of the features in use; None when there are none."""
    features = project.pointer("features")
    name = project.pointer(f"clusters:{features}") if features else None
    if name is None:
        return None
    return read_clusters(project.artefact("clusters", name), Pool.open(project).rows)


def require_clusters(project: Project) -> Clusters:
    """Open the clusters of the features in use.

    Raises
    ------
    InputError
        There are none yet, or they are damaged.
    """
    clusters = load_clusters(project)
    if clusters is None:
        raise InputError(
            f"{project.name} has no clusters yet; run {command('cluster', project.root)}."
        )
    return clusters


def check_numbers(clusters: Clusters, numbers: Iterable[int]) -> None:
    """Refuse a number that no cluster has.

    Raises
    ------
    InputError
        There is one.
    """
    last = len(clusters.sizes) - 1
    unknown = next((number for number in numbers if not 0 <= number <= last), None)
    if unknown is not None:
        raise InputError(f"There is no cluster {unknown}; the clusters are 0 to {last}.")


def cluster_rows(project: Project, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of some clusters, ascending.

    Raises
    ------
    InputError
        There are no clusters yet, or not one of this number.
    """
    clusters = require_clusters(project)
    check_numbers(clusters, numbers.tolist())
    return np.flatnonzero(np.isin(clusters.labels, numbers))


def choose_k(vectors: NDArray[Any], seed: int, progress: Progress = silent) -> int:
    """Return the number of clusters with the best silhouette on a sample."""
    rows = len(vectors)
    low, high = max(2, round(rows**0.5 / 4)), min(round(rows**0.5), _MOST_CLUSTERS)
    if high <= low:
        return max(1, min(rows, low))
    rng = np.random.default_rng(seed)
    sample = vectors
    if rows > _SEARCH_ROWS:
        sample = vectors[np.sort(rng.choice(rows, _SEARCH_ROWS, replace=False))]
    sample = np.asarray(sample, np.float32)
    tried = sorted({round(k) for k in np.geomspace(low, high, _SEARCH_STEPS)})
    scores = []
    for step, k in enumerate(tried):
        progress(step, len(tried), "choosing the number of clusters")
        centroids = kmeans(sample, k, seed, quick=True)
        scores.append(silhouette(sample, (sample @ centroids.T).argmax(axis=1), seed))
    return tried[int(np.argmax(scores))]


def silhouette(vectors: NDArray[Any], labels: NDArray[Any], seed: int) -> float:
    """Mean cosine silhouette (Rousseeuw 1987) of a sample; 0.0 where it is not defined."""
    rng = np.random.default_rng(seed)
    count = min(_SILHOUETTE_ROWS, len(vectors))
    rows = np.sort(rng.choice(len(vectors), count, replace=False))
    kinds, codes, sizes = np.unique(labels[rows], return_inverse=True, return_counts=True)
    if not 1 < len(kinds) < count:
        return 0.0
    sample = np.asarray(vectors[rows], np.float32)
    apart = 1 - sample @ sample.T
    np.fill_diagonal(apart, 0)
    # Sum of each row's distances to the rows of each cluster, itself at 0.
    every = np.arange(count)
    members = np.zeros((count, len(kinds)), np.float32)
    members[every, codes] = 1
    sums = apart @ members
    own = sums[every, codes] / np.maximum(sizes[codes] - 1, 1)
    means = sums / sizes
    means[every, codes] = np.inf
    other = means.min(axis=1)
    most = np.maximum(own, other)
    # A row alone in its cluster counts 0, as does one that is a copy of all it is compared with.
    good = (sizes[codes] > 1) & (most > 0)
    return float(np.where(good, (other - own) / np.where(good, most, 1), 0).mean())


def _make(
    folder: Path, pool: Pool, vectors: NDArray[Any], k: int, seed: int, progress: Progress
) -> None:
    progress(0, 0, "finding clusters")
    centroids = kmeans(vectors, k, seed)
    labels, nearness, margin = assign(vectors, centroids, progress)
    found = labels.copy()
    fill_empty(labels, nearness, k)
    moved = np.flatnonzero(labels != found)
    nearness[moved] = (vectors[moved] * centroids[labels[moved]]).sum(axis=1)
    rows = [np.flatnonzero(labels == number) for number in range(k)]
    progress(0, 0, "naming clusters")
    names = title_clusters(pool, rows, seed, centroids)
    cosines = np.bincount(labels, nearness, k) / np.bincount(labels, minlength=k)
    made = Clusters(
        folder.name,
        labels,
        centroids,
        names.titles,
        names.keywords,
        [len(one) for one in rows],
        [best_rows(one, nearness[one]) for one in rows],
        [best_rows(one, -margin[one]) for one in rows],
        seed,
        round(silhouette(vectors, labels, seed), 4),
        cosines.tolist(),
        grouping=folder.name,
    )
    write_clusters(folder, made)


def write_clusters(folder: Path, made: Clusters) -> None:
    """Write clusters as the artefact in `folder`, atomically."""
    columns: dict[str, Any] = {
        "size": made.sizes,
        "title": made.titles,
        "keywords": made.keywords,
        "central": made.central,
        "border": made.border,
    }
    if made.cosines is not None:
        columns["cosine"] = made.cosines
    meta: dict[str, Any] = {"seed": made.seed, "k": made.k, "silhouette": made.silhouette}
    if made.edits:
        edits = [edit.as_dict() for edit in made.edits]
        meta |= {"parent": made.parent, "grouping": made.grouping, "edits": edits}
    with atomic_folder(folder) as temporary:
        np.save(temporary / "centroids.npy", made.centroids)
        np.save(temporary / "labels.npy", made.labels)
        pq.write_table(pa.table(columns), temporary / "clusters.parquet")
        text = json.dumps(meta, ensure_ascii=False)
        (temporary / "meta.json").write_text(text, encoding="utf-8")


def fill_empty(labels: NDArray[np.int32], nearness: NDArray[np.float32], k: int) -> None:
    """Give each empty cluster the row that fits worst where it is: `k` was asked for."""
    sizes = np.bincount(labels, minlength=k)
    worst = iter(np.argsort(nearness, kind="stable"))
    for number in np.flatnonzero(sizes == 0):
        row = next(row for row in worst if sizes[labels[row]] > 1)
        sizes[labels[row]] -= 1
        labels[row] = number
        sizes[number] = 1


def best_rows(rows: NDArray[np.int64], score: NDArray[np.float32]) -> list[int]:
    """The few rows with the highest score, best first; `score` is of shape (len(rows),)."""
    return [int(row) for row in rows[np.argsort(-score, kind="stable")[:_EXAMPLES]]]


def read_clusters(folder: Path, rows: int) -> Clusters:
    """Read the artefact in `folder`, of a pool of `rows` rows.

    Raises
    ------
    InputError
        It is missing or damaged.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        table = pq.read_table(folder / "clusters.parquet").to_pydict()
        found = Clusters(
            folder.name,
            np.load(folder / "labels.npy", allow_pickle=False),
            np.load(folder / "centroids.npy", allow_pickle=False),
            table["title"],
            table["keywords"],
            table["size"],
            table["central"],
            table["border"],
            meta["seed"],
            meta["silhouette"],
            table.get("cosine"),
            tuple(ClusterEdit.read(edit) for edit in meta.get("edits", ())),
            meta.get("parent"),
            meta.get("grouping", folder.name),
        )
        _check_parts(found, rows)
    except (OSError, ValueError, KeyError, TypeError, EOFError, pa.ArrowException, InputError):
        again = command("cluster", folder.parent.parent)
        raise InputError(
            f"The clusters in {folder} are damaged; delete that folder and run {again}."
        ) from None
    return found


def _check_parts(found: Clusters, rows: int) -> None:
    """Raise a ValueError where the parts do not fit each other, or the rows of the pool."""
    k, labels = len(found.sizes), found.labels
    if labels.dtype != np.int32 or labels.shape != (rows,):
        raise ValueError("labels")
    if found.centroids.ndim != 2 or len(found.centroids) != k:
        raise ValueError("centroids")
    # Which refuses negative numbers, too.
    if np.bincount(labels, minlength=k).tolist() != found.sizes:
        raise ValueError("sizes")
    named = np.concatenate([*found.central, *found.border])
    if len(named) and not 0 <= named.min() <= named.max() < rows:
        raise ValueError("rows")
