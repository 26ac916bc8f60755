"""A BERT with weights rounded to 16-bit integers: the engine of CPUs with no bfloat16.

Weights are rounded once per output channel, activations per token, to 11 to 13 bits: as many as
can be summed in 32 bits with no overflow, whatever the text. That is nearer to float32 than
bfloat16 is (8 bits). 8-bit integers, the usual choice, are not near enough: measured on
all-MiniLM-L6-v2 they lose 3 to 9 of every 100 nearest neighbours, these less than 1.
"""

import math
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.encoders.bert import BertShape
from core.encoders.int16 import embed, map_rows, run_layers
from core.errors import InputError
from core.madd import COLUMNS, HAS_AVX2, ROWS

Array = NDArray[Any]

_INT32 = 2**31 - 1
_VOCABULARY_BLOCK = 256  # words that are mapped together, with the first of them that occurs


@dataclass(frozen=True)
class Linear:
    """The weights of one kind of linear map, of all layers.

    Attributes
    ----------
    panels : int16 array (layers, outputs / COLUMNS, inputs · COLUMNS)
        Laid out for `multiply_tile`.
    scales, biases : float32 arrays (layers, outputs)
        An output is its integer sum · its scale · the token's scale + its bias.
    limit : float
        The largest integer that an input may be rounded to.
    """

    panels: Array
    scales: Array
    biases: Array
    limit: np.float32

    @classmethod
    def of(cls, weights: Array, biases: Array) -> "Linear":
        """Round float32 weights (layers, outputs, inputs), which are multiples of COLUMNS."""
        layers, outputs, inputs = weights.shape
        top = np.abs(weights).max(axis=2, keepdims=True)
        top[top == 0] = 1
        largest_sum = float((np.abs(weights) / top).sum(axis=2).max())
        weight_limit = min(32767, _weight_limit(largest_sum))
        scales = (top / weight_limit).astype(np.float32)
        whole = np.rint(weights / scales).astype(np.int16)
        sums = int(np.abs(whole.astype(np.int64)).sum(axis=2).max())
        tiles = whole.reshape(layers, outputs // COLUMNS, COLUMNS, inputs // 2, 2)
        panels = _on_cache_lines((layers, outputs // COLUMNS, inputs * COLUMNS), np.int16)
        panels[:] = tiles.transpose(0, 1, 3, 2, 4).reshape(panels.shape)
        limit = np.float32(min(32767, _INT32 // sums))
        return cls(panels, scales[:, :, 0].copy(), biases.astype(np.float32), limit)


def _on_cache_lines(shape: tuple[int, ...], dtype: Any) -> Array:
    """An empty array that begins on a cache line: no vector of a tile lies across two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    empty: Array = room[start : start + size].view(dtype).reshape(shape)
    return empty


def _weight_limit(largest_sum: float) -> int:
    """Share the 31 bits of a sum between weights and inputs: the inputs get one bit more.

    |Σ w·a| ≤ (largest integer of a) · Σ|w|, and Σ|w| ≤ (largest integer of w) · `largest_sum`.
    """
    return math.floor(math.sqrt(_INT32 / (2 * largest_sum)))


class Embedding:
    """Tokens to the inputs of the first layer, and to its queries, keys and values.

    Those of a word are computed once, when it or a neighbour of it first occurs: a pool has far
    more tokens than different words. In integers, as all products: not a bit depends on threads.
    """

    def __init__(
        self,
        words: Array,
        positions: Array,
        norm: list[Array],
        weights: Array,
        biases: Array,
        epsilon: np.float32,
    ) -> None:
        self._words = words - words.mean(axis=1, keepdims=True)
        self._positions = positions - positions.mean(axis=1, keepdims=True)
        self._norm, self._epsilon = (norm[0], norm[1]), epsilon
        self._map = Linear.of((weights * norm[0])[None], np.zeros((1, len(biases))))
        shift = (weights.astype(np.float64) * norm[1]).sum(axis=1)
        self._bias = (shift + biases).astype(np.float32)
        self._mapped_positions = self._mapped(self._positions)
        # Pages of memory that no word has touched take none.
        self._mapped_words = np.empty((len(words), len(biases)), np.float32)
        self._known = np.zeros(len(words) // _VOCABULARY_BLOCK + 1, bool)
        self._lock = Lock()

    def learn(self, ids: NDArray[np.int64]) -> None:
        """Get ready for these tokens, which `of` cannot do without.

        Raises
        ------
        InputError
            The model has no vector for one of them.
        """
        if len(ids) and ids.max() >= len(self._words):
            raise InputError(
                f"The tokenizer gives token {ids.max()}, but the model has {len(self._words)} of "
                "them; use the tokenizer that the model was trained with."
            )
        with self._lock:
            blocks = np.unique(ids // _VOCABULARY_BLOCK)
            for block in blocks[~self._known[blocks]]:
                at = slice(block * _VOCABULARY_BLOCK, (block + 1) * _VOCABULARY_BLOCK)
                self._mapped_words[at] = self._mapped(self._words[at])
                self._known[block] = True

    def _mapped(self, rows: Array) -> Array:
        out = np.empty((len(rows), len(self._bias)), np.float32)
        linear = self._map
        map_rows(rows, linear.panels[0], linear.scales[0], linear.biases[0], linear.limit, out)
        return out

    def of(self, texts: list[list[int]], starts: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return hidden (tokens, width) and qkv (tokens + ROWS, 3 · width) for `run_layers`."""
        ids = np.fromiter(chain.from_iterable(texts), np.int64, starts[-1])
        places = np.arange(len(ids)) - np.repeat(starts[:-1], np.diff(starts))
        hidden = np.empty((len(ids), self._words.shape[1]), np.float32)
        qkv = _on_cache_lines((len(ids) + ROWS, len(self._bias)), np.float32)
        embed(
            self._words,
            self._positions,
            ids,
            places,
            self._norm,
            self._epsilon,
            (self._mapped_words, self._mapped_positions),
            self._bias,
            hidden,
            qkv,
        )
        return hidden, qkv


class Int16Engine:
    """Runs a BERT in 16-bit integers; see `core.encoders.bert.Engine`."""

    precision = "int16"
    batch_tokens = 768  # token vectors of a batch stay in a core's share of the cache
    padded = False

    def __init__(self, shape: BertShape) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = shape.folder / "model.safetensors"
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} cannot be read ({error}); download it again.") from None
        # Saved as part of a larger model, or by an old version with other names.
        named = {
            key.removeprefix("bert.")
            .replace("LayerNorm.gamma", "LayerNorm.weight")
            .replace("LayerNorm.beta", "LayerNorm.bias"): value
            for key, value in weights.items()
        }

        def get(name: str) -> Array:
            if name not in named:
                raise InputError(f"{path} has no {name}; it does not match its config.json.")
            return named[name].astype(np.float32)

        def layers(name: str) -> Array:
            return np.stack([get(f"encoder.layer.{i}.{name}") for i in range(shape.layers)])

        def linear(*names: str) -> Linear:
            return Linear.of(
                np.concatenate([layers(f"{name}.weight") for name in names], axis=1),
                np.concatenate([layers(f"{name}.bias") for name in names], axis=1),
            )

        self._shape = shape
        words = get("embeddings.word_embeddings.weight")
        positions = get("embeddings.position_embeddings.weight")
        if len(positions) < shape.max_tokens:
            raise InputError(
                f"{path} has {len(positions)} positions for texts of {shape.max_tokens} tokens; "
                "it does not match its config.json."
            )
        # Every token of a single text is of type 0.
        positions = positions + get("embeddings.token_type_embeddings.weight")[0]
        norm = [get(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
        first = [f"encoder.layer.0.attention.self.{part}" for part in ("query", "key", "value")]
        self._embedding = Embedding(
            words,
            positions,
            norm,
            np.concatenate([get(f"{name}.weight") for name in first]),
            np.concatenate([get(f"{name}.bias") for name in first]),
            np.float32(shape.epsilon),
        )
        self._linears = (
            linear(*(f"attention.self.{part}" for part in ("query", "key", "value"))),
            linear("attention.output.dense"),
            linear("intermediate.dense"),
            linear("output.dense"),
        )
        norms = [
            layers(f"{place}.LayerNorm.{part}")
            for place in ("attention.output", "output")
            for part in ("weight", "bias")
        ]
        self._norms = np.stack(norms, axis=1)

    @staticmethod
    def fits(shape: BertShape) -> bool:
        """Tell whether this machine and this model suit the kernels."""
        sizes = (shape.width, shape.inner, shape.width // shape.heads)
        return HAS_AVX2 and all(size % COLUMNS == 0 for size in sizes)

    def prepare(self, texts: list[list[int]]) -> None:
        """Map the words that are new; see `Embedding`."""
        self._embedding.learn(np.fromiter(chain.from_iterable(texts), np.int64))

    def run(self, texts: list[list[int]]) -> NDArray[np.float32]:
        """Return the pooled vectors (texts, width), of any norm; called from several threads."""
        starts = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        hidden, qkv = self._embedding.of(texts, starts)
        run_layers(
            hidden,
            qkv,
            starts,
            self._shape.heads,
            np.float32(self._shape.epsilon),
            *((linear.panels, linear.scales, linear.biases) for linear in self._linears),
            tuple(linear.limit for linear in self._linears),
            self._norms,
        )
        if self._shape.pooling == "cls":
            return hidden[starts[:-1]]
        sums: Array = np.add.reduceat(hidden, starts[:-1], axis=0)
        return (sums / np.diff(starts)[:, None]).astype(np.float32)
