"""Why each row was chosen: arrays first, sentences from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMED_TARGETS = 3  # more of them make the sentence unreadable in a table


@dataclass(frozen=True)
class Pulls:
    """Which targets pulled each chosen row, the strongest first (compressed sparse rows).

    Attributes
    ----------
    starts : int64 ndarray of shape (rows + 1,)
        The pulls of row i are ``starts[i]:starts[i + 1]``; a row may have none.
    targets : int64 ndarray of shape (pulls,)
    shares : float64 ndarray of shape (pulls,)
        Mass that the target sends to the row; one target sends 1 / n_targets in all.
    nearest : int64 ndarray of shape (rows,)
        The target nearest to each row.
    distances : float32 ndarray of shape (rows,)
        L2 distance to it.
    """

    starts: NDArray[np.int64]
    targets: NDArray[np.int64]
    shares: NDArray[np.float64]
    nearest: NDArray[np.int64]
    distances: NDArray[np.float32]

    @property
    def strongest(self) -> NDArray[np.int64]:
        """The target that pulled each row most, -1 where none did."""
        some = np.diff(self.starts) > 0
        first = np.full(len(some), -1, np.int64)
        first[some] = self.targets[self.starts[:-1][some]]
        return first

    def take(self, places: NDArray[np.int64]) -> "Pulls":
        """The pulls of some rows, in this order."""
        counts = np.diff(self.starts)[places]
        starts = np.concatenate([[0], np.cumsum(counts)])
        inside = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
        those = np.repeat(self.starts[places], counts) + inside
        return Pulls(
            starts,
            self.targets[those],
            self.shares[those],
            self.nearest[places],
            self.distances[places],
        )

    def of(self, row: int) -> NDArray[np.int64]:
        """The targets that pulled the row at this place, the strongest first."""
        return self.targets[self.starts[row] : self.starts[row + 1]]


@dataclass(frozen=True)
class Reasons:
    """Why rows were chosen; each array has one entry for each chosen row.

    Attributes
    ----------
    pinned : bool ndarray
        The user asked for it.
    cluster : int64 ndarray or None
        The cluster whose quota it fills.
    quota, size : int64 ndarray or None
        Rows taken from that cluster, and candidates in it.
    strata : tuple of str or None
        What to call the groups that `cluster` numbers when they are not clusters.
    quality : float64 ndarray or None
    pulls : Pulls or None
    rank : int64 ndarray or None
        Place in the order in which a greedy rule chose, from 1.
    measure : str
        What `value` is, such as "distance to the nearest row chosen before".
    value : float64 ndarray or None
        What the rule went by; not a number where there was nothing to go by.
    """

    pinned: NDArray[np.bool_]
    cluster: NDArray[np.int64] | None = None
    quota: NDArray[np.int64] | None = None
    size: NDArray[np.int64] | None = None
    strata: tuple[str, ...] | None = None
    quality: NDArray[np.float64] | None = None
    pulls: Pulls | None = None
    rank: NDArray[np.int64] | None = None
    measure: str = ""
    value: NDArray[np.float64] | None = None

    def take(self, places: NDArray[np.int64]) -> "Reasons":
        """The reasons of some rows, in this order."""

        def some(array: NDArray[Any] | None) -> Any:
            return None if array is None else array[places]

        return replace(
            self,
            pinned=self.pinned[places],
            cluster=some(self.cluster),
            quota=some(self.quota),
            size=some(self.size),
            quality=some(self.quality),
            pulls=None if self.pulls is None else self.pulls.take(places),
            rank=some(self.rank),
            value=some(self.value),
        )

    def render(self, probabilities: NDArray[np.float64]) -> tuple[str, ...]:
        """One sentence for each row, given its inclusion probability."""
        return tuple(
            "pinned" if pinned else self._sentence(row, float(probability))
            for row, (pinned, probability) in enumerate(
                zip(self.pinned.tolist(), probabilities.tolist(), strict=True)
            )
        )

    def _sentence(self, row: int, probability: float) -> str:
        if self.pulls is not None:
            return _pulled(self.pulls, row, probability)
        if self.value is not None:
            return self._measured(row)
        place = self._place(row)
        if not place:
            return "uniform draw"
        if self.quality is None:
            return f"uniform draw in {place}"
        return f"{place}; quality {self.quality[row]:.3g}; probability {probability:.2f}"

    def _measured(self, row: int) -> str:
        assert self.value is not None
        parts = []
        if self.rank is not None:
            parts.append(f"choice {self.rank[row]:,}")
        if place := self._place(row):
            parts.append(place)
        if not np.isnan(self.value[row]):
            parts.append(f"{self.measure} {self.value[row]:.3g}")
        return "; ".join(parts)

    def _place(self, row: int) -> str:
        if self.cluster is None or self.quota is None or self.size is None:
            return ""
        number = int(self.cluster[row])
        name = f"cluster {number}" if self.strata is None else self.strata[number]
        return f"{name} ({self.quota[row]} of {self.size[row]} rows)"


def join_reasons(parts: Sequence[Reasons]) -> Reasons:
    """The reasons of rows that one rule chose in several calls; those of a call rank after all
    before.
    """
    first = parts[0]

    def joined(name: str) -> Any:
        if getattr(first, name) is None:
            return None
        return np.concatenate([getattr(part, name) for part in parts])

    rank = joined("rank")
    if rank is not None:
        call = np.repeat(np.arange(len(parts)), [len(part.pinned) for part in parts])
        order = np.lexsort((rank, call))
        rank[order] = np.arange(1, len(rank) + 1)
    return replace(
        first,
        pinned=joined("pinned"),
        cluster=joined("cluster"),
        quota=joined("quota"),
        size=joined("size"),
        quality=joined("quality"),
        pulls=_joined_pulls([part.pulls for part in parts if part.pulls is not None]),
        rank=rank,
        value=joined("value"),
    )


def _joined_pulls(parts: Sequence[Pulls]) -> Pulls | None:
    if not parts:
        return None
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    return Pulls(
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.nearest for part in parts]),
        np.concatenate([part.distances for part in parts]),
    )


def _pulled(pulls: Pulls, row: int, probability: float) -> str:
    near = f"nearest target {pulls.nearest[row]} at distance {pulls.distances[row]:.2f}"
    targets = pulls.of(row)
    if not len(targets):
        return f"fills the budget; {near}"
    named = ", ".join(map(str, targets[:_NAMED_TARGETS]))
    more = len(targets) - _NAMED_TARGETS
    rest = f" and {more} more" if more > 0 else ""
    word = "target" if len(targets) == 1 else "targets"
    return f"pulled by {word} {named}{rest}; {near}; probability {probability:.2f}"
