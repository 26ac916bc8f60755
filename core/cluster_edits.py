"""Clusters edited by a person: renamed, split and merged, each time as a new artefact.

The numbers stay dense. A split leaves its number to the largest part and appends the others,
larger ones first. A merge keeps the lowest of its numbers, and those above a number that went move
down. Clusters that an edit does not touch keep title, keywords, centroid and examples.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cluster_log import TITLE_CHARS, ClusterEdit
from core.clusters import (
    Clusters,
    best_rows,
    check_numbers,
    fill_empty,
    read_clusters,
    require_clusters,
    silhouette,
    write_clusters,
)
from core.errors import BusyError, InputError, command
from core.features import load_features
from core.kmeans import assign, kmeans, one_thread
from core.pool import Pool
from core.progress import silent
from core.project import Project, fingerprint
from core.titles import merged_title, title_some

_VERSION = 2  # another number makes all edits anew
_BLOCK = 16_384
_NO_DIRECTION = 1e-9  # norm of a mean of unit vectors that point nowhere together


@dataclass(frozen=True)
class EditReport:
    """What an edit of the clusters, or taking it back, did.

    Attributes
    ----------
    action : "rename", "split", "merge" or "undo".
    clusters, titles, sizes : the clusters that it made or renamed, by their numbers after it; after
        an undo those that are back.
    moved : new number of each cluster that is now in another one or has another number.
    k : clusters that there are now.
    edits : edits since k-means that stand.
    edit : the edit that was made or taken back, in words.
    """

    action: str
    clusters: tuple[int, ...]
    titles: tuple[str, ...]
    sizes: tuple[int, ...]
    moved: dict[int, int]
    k: int
    edits: int
    edit: str
    fingerprint: str
    seconds: float


def rename_cluster(project: Project, number: int, title: str) -> EditReport:
    """Give a cluster a title, which it keeps until it is itself split or merged.

    Parameters
    ----------
    title : 1 to 80 characters in one line.

    Raises
    ------
    InputError
        There are no clusters, or not this one; the title cannot be used, or another cluster has
        it, whatever its case.
    BusyError
        The clusters were changed elsewhere in the meantime.
    """
    return edit_clusters(project, ClusterEdit("rename", (number,), title=title))


def split_cluster(project: Project, number: int, k: int = 2, seed: int = 0) -> EditReport:
    """Split a cluster by k-means inside it; its parts get titles of their own.

    Raises
    ------
    InputError
        There are no clusters, or not this one; it has fewer than `k` rows, or `k` is below 2.
    BusyError
        The clusters were changed elsewhere in the meantime.
    """
    return edit_clusters(project, ClusterEdit("split", (number,), parts=k, seed=seed))


def merge_clusters(
    project: Project, numbers: Sequence[int], title: str | None = None
) -> EditReport:
    """Make one cluster of several.

    Parameters
    ----------
    title : default: words of the titles of its parts, those of the largest first; see
        `default_title`.

    Raises
    ------
    InputError
        There are no clusters, or one of these numbers is none; they are fewer than two; the title
        cannot be used, or another cluster has it.
    BusyError
        The clusters were changed elsewhere in the meantime.
    """
    return edit_clusters(project, ClusterEdit("merge", tuple(numbers), title=title))


def default_title(clusters: Clusters, numbers: Sequence[int]) -> str:
    """What these clusters are called as one, unless a title is given."""
    wanted = {int(one) for one in numbers}
    largest = sorted(wanted, key=lambda one: (-clusters.sizes[one], one))
    others = [title for one, title in enumerate(clusters.titles) if one not in wanted]
    return merged_title([clusters.titles[one] for one in largest], others, TITLE_CHARS)


def edit_clusters(project: Project, edit: ClusterEdit) -> EditReport:
    """Apply one edit to the clusters in use; errors as of the functions for each kind.

    Needs no lock: an edit that was made before is found again, and one that another overtook is
    not put in use.
    """
    started = time.perf_counter()
    project = project.snapshot()
    before = require_clusters(project)
    check_numbers(before, edit.clusters)
    if edit.title is not None:
        _check_free(before, edit)
    name = fingerprint("cluster edit", _VERSION, before.fingerprint, edit.as_dict())
    folder = project.artefact("clusters", name)
    if not (folder / "meta.json").is_file():
        made = _EDITS[edit.action](project, before, edit)
        edits = (*before.edits, edit)
        made = replace(made, fingerprint=name, edits=edits, parent=before.fingerprint)
        if edit.action != "rename":
            made = replace(made, grouping=name)
        write_clusters(folder, made)
    after = read_clusters(folder, len(before.labels))
    _put_in_use(project, before.fingerprint, name)
    first = edit.clusters[0]
    changed = (first, *range(len(before.sizes), len(after.sizes)))
    return _report(edit.action, edit, before, after, changed, started)


def undo_cluster_edit(project: Project) -> EditReport:
    """Go back to the clusters before the last edit.

    Raises
    ------
    InputError
        There are no clusters, they were not edited, or those before the edit are damaged or gone.
    BusyError
        The clusters were changed elsewhere in the meantime.
    """
    started = time.perf_counter()
    project = project.snapshot()
    after = require_clusters(project)
    if after.parent is None:
        raise InputError(f"The clusters of {project.name} have no edit that could be undone.")
    folder = project.artefact("clusters", after.parent)
    try:
        before = read_clusters(folder, len(after.labels))
    except InputError:
        again = command("cluster", project.root, "--k", after.k, "--seed", after.seed)
        aim = "start from those without edits" if len(after.edits) > 1 else "make them again"
        raise InputError(
            f"The clusters before the last edit are damaged or gone; delete the folder {folder}, "
            f"if it is there, and run {again} to {aim}."
        ) from None
    _put_in_use(project, after.fingerprint, before.fingerprint)
    last = after.edits[-1]
    return _report("undo", last, after, before, last.clusters, started)


def edits_elsewhere(project: Project) -> int:
    """How many edits stand of clusters that are not in use: they belong to other features."""
    now = f"clusters:{project.pointer('features')}"
    count = 0
    for kind, name in project.pointers("clusters:").items():
        if kind != now:
            with suppress(OSError, ValueError):  # damaged or gone: nothing of it stands
                text = (project.artefact("clusters", name) / "meta.json").read_text("utf-8")
                count += len(json.loads(text).get("edits", ()))
    return count


def _check_free(clusters: Clusters, edit: ClusterEdit) -> None:
    title = str(edit.title)
    for number, other in enumerate(clusters.titles):
        if number not in edit.clusters and other.casefold() == title.casefold():
            raise InputError(f"Cluster {number} has the title {other!r} already; give another one.")


def _put_in_use(project: Project, before: str, name: str) -> None:
    kind = f"clusters:{project.pointer('features')}"
    if not project.repoint(kind, before, name):
        raise BusyError(
            f"The clusters of {project.name} were changed elsewhere in the meantime; look at them "
            "again, and repeat the edit if it still fits."
        )


def _rename(project: Project, before: Clusters, edit: ClusterEdit) -> Clusters:
    titles = list(before.titles)
    titles[edit.clusters[0]] = str(edit.title)
    return replace(before, titles=titles)


def _split(project: Project, before: Clusters, edit: ClusterEdit) -> Clusters:
    number, parts = edit.clusters[0], int(edit.parts or 0)
    rows = np.flatnonzero(before.labels == number)
    if len(rows) < parts:
        raise InputError(f"Cluster {number} has {len(rows)} rows; it cannot be split into {parts}.")
    vectors = load_features(project).vectors[rows]
    with one_thread():
        centroids = kmeans(vectors, parts, int(edit.seed or 0))
    part, nearness, _ = assign(vectors, centroids, silent)
    fill_empty(part, nearness, parts)
    sizes = np.bincount(part, minlength=parts)
    k = len(before.sizes)
    numbers = np.empty(parts, np.int32)
    numbers[np.argsort(-sizes, kind="stable")] = [number, *range(k, k + parts - 1)]
    labels = before.labels.copy()
    labels[rows] = numbers[part]
    origins: list[int | None] = [*range(k), *([None] * (parts - 1))]
    origins[number] = None
    return _regrouped(project, before, labels, origins, None)


def _merge(project: Project, before: Clusters, edit: ClusterEdit) -> Clusters:
    lowest, *rest = edit.clusters
    kept = [one for one in range(len(before.sizes)) if one not in rest]
    numbers = np.full(len(before.sizes), lowest, np.int32)
    numbers[kept] = np.arange(len(kept))
    origins: list[int | None] = [None if one == lowest else one for one in kept]
    title = edit.title or default_title(before, edit.clusters)
    return _regrouped(project, before, numbers[before.labels], origins, title)


_EDITS = {"rename": _rename, "split": _split, "merge": _merge}


def _regrouped(
    project: Project,
    before: Clusters,
    labels: NDArray[np.int32],
    origins: list[int | None],
    title: str | None,
) -> Clusters:
    """Clusters of other labels; `origins` says for each which one it is as it was, if one."""
    vectors = load_features(project).vectors
    fresh = [number for number, origin in enumerate(origins) if origin is None]
    rows = {number: np.flatnonzero(labels == number) for number in fresh}
    centroids = np.stack(
        [
            _direction(vectors, rows[number]) if origin is None else before.centroids[origin]
            for number, origin in enumerate(origins)
        ]
    )
    fits = {number: _fit(vectors, rows[number], centroids, number) for number in fresh}
    kept = [before.titles[origin] for origin in origins if origin is not None]
    names = title_some(Pool.open(project), labels, fresh, kept, centroids, before.seed)
    at = {number: place for place, number in enumerate(fresh)}

    def listed(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
        return [
            new[at[number]] if origin is None else old[origin]
            for number, origin in enumerate(origins)
        ]

    cosines = None
    if before.cosines is not None:
        cosines = listed(before.cosines, [float(fits[one].nearness.mean()) for one in fresh])
    return replace(
        before,
        labels=labels,
        centroids=centroids,
        titles=listed(before.titles, [title] if title else names.titles),
        keywords=listed(before.keywords, names.keywords),
        sizes=listed(before.sizes, [len(rows[one]) for one in fresh]),
        central=listed(before.central, [best_rows(rows[i], fits[i].nearness) for i in fresh]),
        border=listed(before.border, [best_rows(rows[i], -fits[i].margin) for i in fresh]),
        silhouette=round(silhouette(vectors, labels, before.seed), 4),
        cosines=cosines,
    )


@dataclass(frozen=True)
class _Fit:
    """How rows fit their cluster: cosine with its centroid, and lead over the next; (rows,)."""

    nearness: NDArray[np.float32]
    margin: NDArray[np.float32]


def _fit(
    vectors: NDArray[Any], rows: NDArray[np.int64], centroids: NDArray[np.float32], number: int
) -> _Fit:
    nearness, margin = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
    at = 0
    for block in _blocks(vectors, rows):
        cosines = block @ centroids.T
        here = slice(at, at + len(block))
        nearness[here] = cosines[:, number]
        cosines[:, number] = -np.inf
        # With one cluster, how far it is from no longer belonging to it; as for k-means.
        next_one = cosines.max(axis=1) if len(centroids) > 1 else 0
        margin[here] = nearness[here] - next_one
        at += len(block)
    return _Fit(nearness, margin)


def _direction(vectors: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit-norm mean of some rows; the first of them where they cancel each other out."""
    total = np.zeros(vectors.shape[1])
    for block in _blocks(vectors, rows):
        total += block.sum(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(total))
    if norm <= _NO_DIRECTION * len(rows):
        total = np.asarray(vectors[rows[0]], np.float64)
        norm = float(np.linalg.norm(total))
    return (total / norm).astype(np.float32)


def _blocks(vectors: NDArray[Any], rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(rows), _BLOCK):
        yield np.asarray(vectors[rows[start : start + _BLOCK]], np.float32)


def _report(
    action: str,
    edit: ClusterEdit,
    before: Clusters,
    after: Clusters,
    changed: Sequence[int],
    started: float,
) -> EditReport:
    return EditReport(
        action,
        tuple(changed),
        tuple(after.titles[one] for one in changed),
        tuple(after.sizes[one] for one in changed),
        _moved(before, after),
        len(after.sizes),
        len(after.edits),
        edit.sentence,
        after.fingerprint,
        round(time.perf_counter() - started, 3),
    )


def _moved(before: Clusters, after: Clusters) -> dict[int, int]:
    """Where the clusters are of which all rows are in one that has another number."""
    first = np.zeros(len(before.sizes), np.int64)
    first[before.labels[::-1]] = after.labels[::-1]  # the last one written is the first row's
    parted = np.zeros(len(before.sizes), bool)
    parted[before.labels[after.labels != first[before.labels]]] = True
    return {
        number: int(to) for number, to in enumerate(first) if to != number and not parted[number]
    }
