"""Rows of an array that are bit for bit the same."""

from dataclasses import dataclass

import numpy as np

Candidates = tuple[np.ndarray, np.ndarray]  # of each query: rows, and their squared distances


@dataclass(frozen=True)
class Copies:
    """Rows that are bit for bit the same: searched once as a kind, then spread out again.

    Without this, thousands of copies of one row would all tie with each other.
    """

    first: np.ndarray  # int64 (kinds,), the first row of each kind
    members: np.ndarray  # int64 (n,), all rows, kind by kind, each kind ascending
    starts: np.ndarray  # int64 (kinds + 1,), where in `members` each kind starts, and the end

    @classmethod
    def of(cls, base: np.ndarray) -> "Copies":
        """Find the copies among the rows of an array of shape (n, dim)."""
        factors = _factors(base.shape[1])
        keys = np.empty(len(base), np.uint64)
        for start in range(0, len(base), 4_096):
            keys[start : start + 4_096] = _bits(base[start : start + 4_096]) @ factors
        every = np.arange(len(base))
        _, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
        if len(index) == len(base):
            return cls(every, every, np.arange(len(base) + 1))
        leader = index[inverse]
        # Different rows seldom have one key; those that do lead the copies of their own.
        leads: dict[bytes, int] = {}
        for rows in np.array_split(np.flatnonzero(leader != every), 1 + len(base) // 8192):
            bits = _bits(base[rows])
            differ = (bits != _bits(base[leader[rows]])).any(axis=1)
            for row, own in zip(rows[differ].tolist(), bits[differ], strict=True):
                leader[row] = leads.setdefault(own.tobytes(), row)
        first, kind = np.unique(leader, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(np.bincount(kind))])
        return cls(first, np.argsort(kind, kind="stable"), starts)

    @property
    def leader(self) -> np.ndarray:
        """The first of its copies, for each row."""
        leader = np.empty(len(self.members), np.int64)
        leader[self.members] = np.repeat(self.first, np.diff(self.starts))
        return leader

    def expand(self, kinds: np.ndarray, squared: np.ndarray, wanted: int) -> Candidates:
        """Replace kinds by their rows: the first `wanted` of each query, ties by row."""
        if len(self.first) == len(self.members):
            return self.first[kinds], squared
        width = min(wanted, len(self.members))
        rows = np.empty((len(kinds), width), np.int64)
        distances = np.empty((len(kinds), width), np.float32)
        sizes = np.minimum(np.diff(self.starts), width)[kinds]
        single = np.zeros(len(kinds), bool)
        if kinds.shape[1] >= width:
            single = (sizes[:, :width] == 1).all(axis=1)
            rows[single] = self.first[kinds[single, :width]]
            distances[single] = squared[single, :width]
        for query in np.flatnonzero(~single):
            size = sizes[query]
            # Kinds after the one that fills the list matter only when they tie with it.
            full = min(int(np.searchsorted(np.cumsum(size), width)), len(size) - 1)
            size = size[: np.searchsorted(squared[query], squared[query, full], side="right")]
            within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
            member = self.members[np.repeat(self.starts[kinds[query, : len(size)]], size) + within]
            distance = np.repeat(squared[query, : len(size)], size)
            tied = distance[1:] == distance[:-1]
            if (np.diff(member)[tied] < 0).any():
                member = member[np.lexsort((member, distance))]
            rows[query], distances[query] = member[:width], distance[:width]
        return rows, distances


def _bits(rows: np.ndarray) -> np.ndarray:
    """Float32 values as they are stored, uint32."""
    return np.ascontiguousarray(rows, np.float32).view(np.uint32)


def _factors(dim: int) -> np.ndarray:
    """What the values of a row are multiplied by in its key.

    Each value has one of its own: with one for two of them, the upper one would only reach the
    upper half of the key, and two sign flips would cancel.
    """
    return 2 * np.random.default_rng(0).integers(1, 1 << 62, dim, np.uint64) + np.uint64(1)
