"""Colours of clusters on the map: those that an edit leaves alone keep theirs."""

import numpy as np
from numpy.typing import NDArray

from core import palette
from core.cluster_log import ClusterEdit
from core.clusters import Clusters
from core.coloring import DISTINCT, some_rows


def first_hues(clusters: Clusters, points: NDArray[np.floating]) -> NDArray[np.int64]:
    """Hues of clusters that nobody edited, so that neighbours on the map differ.

    Parameters
    ----------
    points : ndarray of shape (rows, 2)
        Map coordinates.

    Returns
    -------
    ndarray of shape (clusters,), int64
        Index into `palette.CATEGORICAL`.
    """
    return _assigned(clusters, points, np.full(len(clusters.sizes), -1))


def hues_after(
    edited: Clusters,
    points: NDArray[np.floating],
    sizes: list[int],
    hues: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Hues of clusters after their last edit, given sizes and hues of those before it.

    Clusters that the edit did not touch keep their hue, whatever number they have now. The largest
    part of a split keeps the hue of the whole, and a merged cluster that of its largest part; all
    other parts of a split get hues that differ from their neighbours'.
    """
    return _assigned(edited, points, _carried(edited.edits[-1], sizes, hues))


def _carried(edit: ClusterEdit, sizes: list[int], hues: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hues by the numbers after an edit; -1 where there is none yet."""
    if edit.action == "split":
        return np.append(hues, np.full(edit.added, -1))
    carried = hues.copy()
    if edit.action == "merge":
        lowest, *rest = edit.clusters
        carried[lowest] = hues[max(edit.clusters, key=sizes.__getitem__)]
        carried = np.delete(carried, rest)
    return carried


def _assigned(
    clusters: Clusters, points: NDArray[np.floating], hues: NDArray[np.int64]
) -> NDArray[np.int64]:
    some = some_rows(len(points))
    weights = palette.contact(points[some], clusters.labels[some], len(clusters.sizes))
    return palette.assign(weights, np.array(clusters.sizes), distinct=DISTINCT, given=hues)
