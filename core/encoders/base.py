"""What an encoder is, and what all of them share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoded:
    """What an encoder made of texts.

    Attributes
    ----------
    vectors : float32 array (texts, dim), unit norm.
    truncated : texts longer than the encoder reads; their end does not count.
    """

    vectors: NDArray[np.float32]
    truncated: int


class Encoder(Protocol):
    """Turns texts into unit vectors; the same text always gets the same one.

    Attributes
    ----------
    name : as people call it: `static`, `minilm`, a folder's name or a hub id.
    revision : names the weights and whatever else changes the vectors by more than rounding.
    dim : width of a vector.
    max_tokens : tokens of a text that are read; None if all are.
    device : "cpu" or "cuda".
    precision : how the products are computed: "float32", "bfloat16", "int16" …
    shard_rows : rows worth storing at once: some seconds of work.
    """

    name: str
    revision: str
    dim: int
    max_tokens: int | None
    device: str
    precision: str
    shard_rows: int

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Encoded:
        """Encode texts in the given order; `done` is called with the number finished so far."""


@dataclass(frozen=True)
class Choice:
    """What `auto` stands for here.

    Attributes
    ----------
    encoder : "minilm" or "static".
    reason : one sentence for people.
    minilm_seconds : what MiniLM would take for the whole pool, if that could be tried.
    """

    encoder: str
    reason: str
    minilm_seconds: float | None


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to norm 1; a zero row (an empty text) becomes the same fixed vector always."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    empty = norms[:, 0] == 0
    if empty.any():
        vectors, norms = vectors.copy(), norms.copy()
        vectors[empty], norms[empty] = 1.0, np.sqrt(vectors.shape[1])
    return (vectors / norms).astype(np.float32, copy=False)


def by_tokens(lengths: Sequence[int], budget: int, *, padded: bool) -> list[list[int]]:
    """Share texts out to batches of similar length, longest first: the short ones end together.

    Parameters
    ----------
    lengths : tokens of each text.
    budget : most tokens of a batch; a longer text is a batch by itself.
    padded : whether each text of a batch takes as many tokens as the longest.

    Returns
    -------
    list of lists of int
        Positions in `lengths`; each occurs once.
    """
    batches: list[list[int]] = []
    used = 0
    for place in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        cost = lengths[batches[-1][0]] if batches and padded else lengths[place]
        if not batches or used + cost > budget:
            batches.append([])
            used, cost = 0, lengths[place]
        batches[-1].append(place)
        used += cost
    return batches
