"""Coarse groups of clusters: what a map shows in place of their titles when it is zoomed out."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.clusters import Clusters
from core.errors import InputError
from core.titles import join_titles
from core.words import same

_KEYWORDS = 8


@dataclass(frozen=True)
class CoarseGroups:
    """Clusters in groups, numbered 0, 1 …, the one with the most rows first.

    Attributes
    ----------
    group : int32 ndarray of shape (clusters,)
        The group of each cluster; index it with the labels for that of each row.
    titles, sizes : one for each group, sizes in rows; no two titles are alike.
    """

    group: NDArray[np.int32]
    titles: list[str]
    sizes: list[int]


@dataclass(frozen=True)
class _Merge:
    """Two clusters, the lowest of either side, and what joining the sides costs."""

    one: int
    other: int
    cost: float


def coarse_groups(clusters: Clusters, groups: int | None = None) -> CoarseGroups:
    """Group clusters by Ward's method on their centroids, each weighing as much as it has rows.

    Parameters
    ----------
    groups : default: the root of the number of clusters.

    Raises
    ------
    InputError
        `groups` is below 1 or above the number of clusters.

    Notes
    -----
    Ward (1963): in each step the two are joined that add least to the squared distances of the
    rows to their mean. SciPy's linkage counts each cluster once, so that a cluster of ten rows
    would weigh as much as one of ten thousand. Costs O(k² dim) for k clusters.
    """
    k = len(clusters.sizes)
    if groups is None:
        groups = max(1, round(k**0.5))
    if not 1 <= groups <= k:
        raise InputError(
            f"The number of groups must be from 1 to {k} (the clusters), not {groups}.",
            option="groups",
        )
    sizes = np.array(clusters.sizes, np.float64)
    group = _cut(_ward(np.asarray(clusters.centroids, np.float64), sizes), k, groups)
    rows = np.bincount(group, sizes, groups)
    order = np.argsort(-rows, kind="stable")
    rank = np.empty(groups, np.int32)
    rank[order] = np.arange(groups)
    group = rank[group]
    members = [np.flatnonzero(group == number) for number in range(groups)]
    return CoarseGroups(group, _titles(clusters, members), [int(rows[one]) for one in order])


def _ward(centroids: NDArray[np.float64], sizes: NDArray[np.float64]) -> list[_Merge]:
    """All merges of Ward's method by chains of nearest neighbours (Murtagh 1983), in no order."""
    centroids, sizes = centroids.copy(), sizes.copy()
    squares = np.square(centroids).sum(axis=1)
    alive = np.ones(len(sizes), bool)
    chain: list[int] = []
    merges: list[_Merge] = []
    while len(merges) < len(sizes) - 1:
        if not chain:
            chain.append(int(alive.argmax()))
        tip = chain[-1]
        apart = np.maximum(squares + squares[tip] - 2 * centroids @ centroids[tip], 0)
        cost = apart * sizes * sizes[tip] / (sizes + sizes[tip])
        cost[~alive] = np.inf
        cost[tip] = np.inf
        near = int(cost.argmin())
        # The one before stays the choice in a tie, or the chain would never end.
        if len(chain) > 1 and cost[chain[-2]] <= cost[near]:
            near = chain[-2]
            del chain[-2:]
            low, high = min(tip, near), max(tip, near)
            merges.append(_Merge(low, high, float(cost[near])))
            share = sizes[high] / (sizes[low] + sizes[high])
            centroids[low] += share * (centroids[high] - centroids[low])
            squares[low] = np.square(centroids[low]).sum()
            sizes[low] += sizes[high]
            alive[high] = False
        else:
            chain.append(near)
    return merges


def _cut(merges: list[_Merge], k: int, groups: int) -> NDArray[np.int32]:
    """Group of each cluster after the cheapest k - groups merges."""
    above = list(range(k))

    def root(number: int) -> int:
        while above[number] != number:
            number = above[number]
        return number

    for merge in sorted(merges, key=lambda merge: merge.cost)[: k - groups]:
        one, other = sorted((root(merge.one), root(merge.other)))
        above[other] = one
    _, group = np.unique([root(number) for number in range(k)], return_inverse=True)
    return group.astype(np.int32)


def _titles(clusters: Clusters, members: list[NDArray[np.int64]]) -> list[str]:
    """Title of the only member, else the keywords that weigh most in a group and little outside."""
    weights = [_weights(clusters, group) for group in members]
    overall: Counter[str] = Counter()
    for weight in weights:
        overall.update(weight)
    keywords = [
        [clusters.titles[group[0]]] if len(group) == 1 else _best(weight, overall, clusters, group)
        for weight, group in zip(weights, members, strict=True)
    ]
    return join_titles(keywords)


def _weights(clusters: Clusters, group: NDArray[np.int64]) -> Counter[str]:
    """Keywords of a group's clusters by the share of its rows, the first of a cluster more."""
    total = sum(clusters.sizes[number] for number in group)
    weights: Counter[str] = Counter()
    for number in group:
        for rank, term in enumerate(clusters.keywords[number]):
            weights[term] += clusters.sizes[number] / total / (1 + rank) ** 0.5
    return weights


def _best(
    weight: Counter[str], overall: Counter[str], clusters: Clusters, group: NDArray[np.int64]
) -> list[str]:
    score = {term: part * part / overall[term] for term, part in weight.items()}
    best: list[str] = []
    for term in sorted(score, key=lambda term: (-score[term], term)):
        if not any(same(term.lower(), other.lower()) for other in best):
            best.append(term)
        if len(best) == _KEYWORDS:
            break
    # Clusters without words have titles still.
    return best or [clusters.titles[max(group.tolist(), key=lambda one: clusters.sizes[one])]]
