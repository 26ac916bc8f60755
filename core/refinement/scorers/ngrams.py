"""Byte n-grams of many texts: how familiar a text looks, whether texts end so, what two share.

Bytes of lower-cased UTF-8 with single spaces, so that every language and programming language is
read alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_BITS = 22  # of the tables; two n-grams in one place are rare enough
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing
_LOOK, _ENDING = 3, 4  # bytes
_PART = 400  # characters read of a text: what it looks like shows soon
_FEW = 20  # n-grams seen less often are taken to end texts like any other


@dataclass
class Ngrams:
    """What was counted of a pool's texts; `add` the texts, then ask."""

    _looks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << _BITS, np.int64))
    _inside: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << _BITS, np.int64))
    _ends: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << _BITS, np.int64))
    _logs: Numbers | None = None  # of the looks, once they are asked for

    def add(self, prompts: Sequence[str], answers: Sequence[str]) -> None:
        """Count the n-grams of some rows."""
        self._logs = None
        for texts in (prompts, answers):
            grams = _Grams([_plain(text[:_PART]) for text in texts], _LOOK)
            self._looks += np.bincount(grams.codes, minlength=1 << _BITS)
        grams = _Grams([_plain(text[-_PART:]) for text in answers], _ENDING)
        self._inside += np.bincount(grams.codes, minlength=1 << _BITS)
        self._ends += np.bincount(grams.codes[grams.last], minlength=1 << _BITS)

    def familiarity(self, texts: Sequence[str]) -> Numbers:
        """Mean log-probability of the trigrams of each text's beginning, in nats; ≤ 0."""
        if self._logs is None:
            self._logs = np.log((self._looks + 0.5) / (self._looks.sum() + 0.5))
        grams = _Grams([_plain(text[:_PART]) for text in texts], _LOOK)
        return np.bincount(grams.owners, self._logs[grams.codes], len(texts)) / grams.counts

    def ending(self, texts: Sequence[str]) -> Numbers:
        """How much likelier a text ends after its last 4 bytes than after any, in nats.

        log of (e + m·r) / (n + m) / r, with n how often these bytes were seen, e how often at an
        end, r = Σe / Σn, and m = 20.
        """
        rate = max(int(self._ends.sum()), 1) / max(int(self._inside.sum()), 1)
        grams = _Grams([_plain(text[-_PART:]) for text in texts], _ENDING)
        last = grams.codes[grams.last]
        share = (self._ends[last] + _FEW * rate) / (self._inside[last] + _FEW)
        return np.log(share / rate)


def resemblance(texts: Sequence[str], others: Sequence[str]) -> Numbers:
    """Share of the different trigrams of two texts' beginnings that both have, shape (texts,).

    The resemblance of Broder (1997), from 0 to 1, which it is for equal texts.
    """
    # By sorting, which is many times as fast as numpy's own sets of numbers.
    either = np.sort(np.concatenate([_different(texts), _different(others)]))
    both = either[:-1][either[1:] == either[:-1]]
    shared, counted = (np.bincount(keys >> _BITS, minlength=len(texts)) for keys in (both, either))
    return shared / (counted - shared)


def _different(texts: Sequence[str]) -> NDArray[np.int64]:
    """The different trigrams of each text's beginning, as its number and their codes in one."""
    grams = _Grams([_plain(text[:_PART]) for text in texts], _LOOK)
    keys = np.sort(grams.owners << _BITS | grams.codes)
    return keys[np.append(True, keys[1:] != keys[:-1])]


class _Grams:
    """The n-grams of texts, one after the other: hash codes and the text of each.

    Every text has at least one: it is padded.
    """

    def __init__(self, texts: Sequence[str], size: int) -> None:
        parts = [f" {text} ".encode(errors="replace").ljust(size) for text in texts]
        lengths = np.array([len(part) for part in parts], np.int64)
        data = np.frombuffer(b"".join(parts), np.uint8).astype(np.uint32)  # size ≤ 4 bytes fit
        self.counts = lengths - size + 1
        self.owners = np.repeat(np.arange(len(parts)), self.counts)
        self.last = np.cumsum(self.counts) - 1
        # Of the whole, one at every byte; those that reach into the next text do not count.
        ends = np.cumsum(lengths)
        whole = np.ones(len(data), bool)
        for at in range(1, size):
            whole[ends - at] = False
        grams = np.zeros(len(data) - size + 1, np.uint32)
        for at in range(size):
            grams <<= np.uint32(8)
            grams |= data[at : len(data) - size + 1 + at]
        codes = grams[whole[: len(grams)]].astype(np.uint64)
        self.codes = ((codes * _MULTIPLIER) >> np.uint64(64 - _BITS)).astype(np.int64)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
