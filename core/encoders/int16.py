"""The layers of a BERT in 16-bit integers, compiled by Numba for CPUs with AVX2 or AVX-512.

Every product of the network is a sum of int16 x int16 products kept exactly in 32 bits (see
`madd`). Activations are rounded once per token, queries, keys and values once per head and text.
Texts lie end to end, so nothing is padded, and the vector of a text does not depend on what else
is in the batch. GELU and exp are polynomials, accurate to 1e-5.
"""

import math
from typing import Any

import numba
import numpy as np

from core.madd import COLUMNS, ROWS, larger, multiply_tile

_INT32 = 2**31 - 1
_BLOCK = 48  # tokens that go through a layer together: 300 KB, inside a core's L2 cache
_GELU_END = 4.5  # beyond it GELU is x or 0, within 2e-5
_EXP_END = 16.0  # exp(-16) is nothing beside the 16-bit weights of the attention


def _polynomial(function: Any, degree: int) -> tuple[np.float32, ...]:
    """Coefficients, lowest first, of the Chebyshev interpolant of `function` on [-1, 1]."""
    series = np.polynomial.chebyshev.chebinterpolate(np.vectorize(function), degree)
    return tuple(np.float32(c) for c in np.polynomial.chebyshev.cheb2poly(series))


def _half_erf(u: float) -> float:
    x = _GELU_END * math.sqrt((u + 1) / 2)
    return 0.5 * math.erf(x / math.sqrt(2)) / x if x else 1 / math.sqrt(2 * math.pi)


# GELU(x) = x/2 + x²·P(u), with u = 2(x/4.5)² − 1; exp(x) = Q(u)^16, with u = x/8 + 1.
_P = _polynomial(_half_erf, 10)
_Q = _polynomial(lambda u: math.exp((u - 1) * _EXP_END / 32), 5)


_options: Any = {
    "nogil": True, "fastmath": True, "error_model": "numpy", "boundscheck": False,
}  # fmt: skip
# Numba renews its cache when this file changes; change it too when `madd` changes.
_compile: Any = numba.njit(cache=True, **_options)
# A function that is called, not inlined, exists twice: compiled by itself and again within its
# caller. Which of the two runs depends on whether the caller came from the cache, and with
# fastmath their last bits differ.
_part: Any = numba.njit(forceinline=True, **_options)
_inline: Any = numba.njit(inline="always", **_options)


@_inline
def _round(x):  # type: ignore[no-untyped-def]
    # Truncation of a positive number: the one rounding that is vectorised everywhere.
    return np.int32(x + np.float32(32768.5)) - np.int32(32768)


@_part
def _largest(values, rows, tops):  # type: ignore[no-untyped-def]
    """Largest absolute value of each of the first `rows` rows."""
    for row in range(rows):
        top = np.float32(1e-30)
        for i in range(values.shape[1]):
            top = larger(top, abs(values[row, i]))
        tops[row] = top


@_part
def _quantize(values, limit, whole, scales, rows):  # type: ignore[no-untyped-def]
    """Round rows to integers of at most `limit`; scales, the rows' largest values, undo it then."""
    width = values.shape[1]
    for row in range(rows):
        top = scales[row]
        scales[row] = top / limit
        factor = limit / top
        for i in range(width):
            whole[row, i] = np.int16(_round(values[row, i] * factor))


@_part
def _gelu(values, rows, tops):  # type: ignore[no-untyped-def]
    """GELU in place, and the largest absolute value of each row."""
    width = values.shape[1]
    end = np.float32(_GELU_END)
    for row in range(rows):
        top = np.float32(1e-30)
        for i in range(width):
            x = values[row, i]
            c = x if x > -end else -end
            c = c if c < end else end
            u = c * c * np.float32(2 / _GELU_END**2) - np.float32(1)
            # In three parts, so that no long chain of operations waits for itself.
            v = u * u
            low = (_P[0] + _P[1] * u) + (_P[2] + _P[3] * u) * v
            middle = (_P[4] + _P[5] * u) + (_P[6] + _P[7] * u) * v
            high = (_P[8] + _P[9] * u) + _P[10] * v
            p = low + v * v * (middle + v * v * high)
            y = x * (np.float32(0.5) + c * p)
            values[row, i] = y
            top = larger(top, abs(y))
        tops[row] = top


@_part
def add_norm(hidden, update, weight, bias, epsilon, first, rows):  # type: ignore[no-untyped-def]
    """hidden[first:first+rows] = LayerNorm(hidden[first:first+rows] + update)."""
    width = hidden.shape[1]
    for row in range(rows):
        h = hidden[first + row]
        total = np.float32(0)
        for i in range(width):
            h[i] += update[row, i]
            total += h[i]
        mean = total / np.float32(width)
        total = np.float32(0)
        for i in range(width):
            h[i] -= mean
            total += h[i] * h[i]
        factor = np.float32(1) / np.sqrt(total / np.float32(width) + epsilon)
        for i in range(width):
            h[i] = h[i] * factor * weight[i] + bias[i]


@_part
def _lines(items):  # type: ignore[no-untyped-def]
    """Zeros of 32 bits that begin on a cache line: no vector of a tile lies across two."""
    room = np.zeros(items + 16, np.int32)
    start = (64 - room.ctypes.data % 64) % 64 // 4
    return room[start : start + items]


@_compile
def embed(words, positions, ids, places, norm, epsilon, mapped, bias, hidden, qkv):  # type: ignore[no-untyped-def]
    """The first layer's inputs and, without a product, its queries, keys and values.

    LayerNorm divides the sum of two centred vectors, a word's and a position's, by one number a
    token; so a linear map of it is the sum of the two maps, divided by the same number.

    Parameters
    ----------
    words, positions : float32 arrays (n, width)
        Each row has mean 0.
    ids, places : int64 arrays (tokens,)
        Rows of `words` and `positions`.
    norm : two float32 arrays (width,)
        Weight and bias of the normalisation.
    mapped : two float32 arrays (n, 3 · width)
        W · (weight * row) for the rows of `words` and of `positions`.
    bias : float32 array (3 · width,)
        W · (bias of the normalisation) + bias of the map.
    hidden, qkv : float32 arrays (tokens, width), (at least tokens, 3 · width)
        Overwritten.
    """
    width = hidden.shape[1]
    for t in range(ids.size):
        word, place = words[ids[t]], positions[places[t]]
        total = np.float32(0)
        for i in range(width):
            x = word[i] + place[i]
            hidden[t, i] = x
            total += x * x
        factor = np.float32(1) / np.sqrt(total / np.float32(width) + epsilon)
        for i in range(width):
            hidden[t, i] = hidden[t, i] * factor * norm[0][i] + norm[1][i]
        word, place = mapped[0][ids[t]], mapped[1][places[t]]
        for i in range(qkv.shape[1]):
            qkv[t, i] = (word[i] + place[i]) * factor + bias[i]


@_part
def _linear(whole, token_scales, rows, panels, scales, biases, out):  # type: ignore[no-untyped-def]
    """out[:rows] = whole[:rows] · weights + biases; up to ROWS - 1 rows more are overwritten."""
    inputs = whole.shape[1]
    for p in range(panels.shape[0]):
        at = p * COLUMNS
        for row in range(0, rows, ROWS):
            multiply_tile(
                whole.ctypes.data + row * inputs * 2,
                inputs,
                panels.ctypes.data + at * inputs * 2,
                inputs // 2,
                token_scales.ctypes.data + row * 4,
                scales.ctypes.data + at * 4,
                biases.ctypes.data + at * 4,
                out.ctypes.data + (row * out.shape[1] + at) * 4,
                out.shape[1],
            )


@_compile
def map_rows(values, panels, scales, biases, limit, out):  # type: ignore[no-untyped-def]
    """out = values · weights + biases, for one layer of a `core.encoders.quantized.Linear`."""
    whole = np.zeros((_BLOCK, values.shape[1]), np.int16)
    row_scales = np.zeros(_BLOCK, np.float32)
    room = np.empty((_BLOCK, out.shape[1]), np.float32)
    for first in range(0, len(values), _BLOCK):
        rows = min(_BLOCK, len(values) - first)
        _largest(values[first:], rows, row_scales)
        _quantize(values[first:], limit, whole, row_scales, rows)
        _linear(whole, row_scales, rows, panels, scales, biases, room)
        out[first : first + rows] = room[:rows]


@_part
def _quantize_text(qkv, start, stop, heads, limits, factors, scales, whole):  # type: ignore[no-untyped-def]
    """Round a text's queries, keys and values to integers, with one scale each a head."""
    columns = qkv.shape[1]
    d = columns // (3 * heads)
    factors[:] = np.float32(1e-30)
    for t in range(start, stop):
        for i in range(columns):
            factors[i] = larger(factors[i], abs(qkv[t, i]))
    for part in range(3 * heads):
        top = factors[part * d]
        for i in range(part * d, (part + 1) * d):
            top = larger(top, factors[i])
        scales[part] = top / limits[part // heads]
        factors[part * d : (part + 1) * d] = limits[part // heads] / top
    for t in range(stop - start):
        for i in range(columns):
            whole[t, i] = np.int16(_round(qkv[start + t, i] * factors[i]))
    whole[stop - start] = 0  # beside the last value of a text of odd length


@_part
def _softmax(scores, length, weights):  # type: ignore[no-untyped-def]
    """Softmax of each row of `scores`, as integers that add up to about 32767."""
    # Loops over a multiple of 32 leave nothing to the slow scalar code that ends a vector loop.
    span = (length + 31) // 32 * 32
    for r in range(ROWS):
        scores[r, length:span] = np.float32(-1e30)
        top = np.float32(-1e30)
        for t in range(span):
            top = larger(top, scores[r, t])
        total = np.float32(0)
        for t in range(span):
            u = larger((scores[r, t] - top) * np.float32(2 / _EXP_END), np.float32(-2))
            u += np.float32(1)
            v = u * u
            q = (_Q[0] + _Q[1] * u) + v * ((_Q[2] + _Q[3] * u) + v * (_Q[4] + _Q[5] * u))
            q *= q
            q *= q
            q *= q
            q *= q
            scores[r, t] = q
            total += q
        factor = np.float32(32767) / total
        for t in range(span):
            weights[r, t] = np.int16(_round(scores[r, t] * factor))


@_part
def _attend(whole, part_scales, head, heads, length, out, room):  # type: ignore[no-untyped-def]
    """Attention of one head within one text: `out` gets softmax(QKᵀ/√d)·V."""
    keys, values, scores, weights, scales, ones, zeros = room
    columns = whole.shape[1]
    width = columns // 3
    d = width // heads
    first = head * d
    panels = (length + COLUMNS - 1) // COLUMNS
    halves = whole.view(np.int32)
    for t in range(length):
        for i in range(d // 2):
            keys[t // COLUMNS, i, t % COLUMNS] = halves[t, (width + first) // 2 + i]
    pairs = (length + 1) // 2
    for p in range(d // COLUMNS):
        for pair in range(pairs):
            for j in range(COLUMNS):
                at = 2 * width + first + p * COLUMNS + j
                low = np.int32(whole[2 * pair, at])
                high = np.int32(whole[2 * pair + 1, at])
                values[p, pair, j] = (high << 16) | (low & 0xFFFF)
    both = part_scales[head] * part_scales[heads + head]
    scales[:ROWS] = both / np.float32(np.sqrt(d))
    scales[ROWS:] = part_scales[2 * heads + head] / np.float32(32767)
    for row in range(0, length, ROWS):
        for p in range(panels):
            multiply_tile(
                whole.ctypes.data + (row * columns + first) * 2,
                columns,
                keys.ctypes.data + p * keys.shape[1] * COLUMNS * 4,
                d // 2,
                scales.ctypes.data,
                ones.ctypes.data,
                zeros.ctypes.data,
                scores.ctypes.data + p * COLUMNS * 4,
                scores.shape[1],
            )
        _softmax(scores, length, weights)
        for p in range(d // COLUMNS):
            multiply_tile(
                weights.ctypes.data,
                weights.shape[1],
                values.ctypes.data + p * values.shape[1] * COLUMNS * 4,
                pairs,
                scales.ctypes.data + ROWS * 4,
                ones.ctypes.data,
                zeros.ctypes.data,
                out.ctypes.data + (row * width + first + p * COLUMNS) * 4,
                width,
            )


@_compile
def run_layers(hidden, qkv, starts, heads, epsilon, attention, output, up, down, limits, norms):  # type: ignore[no-untyped-def]
    """Pass token vectors through all layers, in place; the interpreter lock is free meanwhile.

    Parameters
    ----------
    hidden : float32 array (tokens, width)
        Embedded tokens of several texts, end to end.
    qkv : float32 array (tokens + ROWS, 3 · width)
        Queries, keys and values of the first layer; overwritten.
    starts : int64 array (texts + 1,)
        Where each text starts, and the number of tokens.
    attention, output, up, down : tuples of arrays
        Panels, scales and biases of `core.encoders.quantized.Linear`, first axis the layer.
    limits : tuple of four float32
        Largest integer of the input of each of them.
    norms : float32 array (layers, 4, width)
        Weight and bias of the normalisation after attention, then of that at the end.
    """
    tokens, width = hidden.shape
    inner = up[1].shape[1]
    d = width // heads
    longest = 0
    for text in range(starts.size - 1):
        longest = max(longest, starts[text + 1] - starts[text])
    padded = (longest // 32 + 1) * 32
    whole = np.zeros((_BLOCK, width), np.int16)
    inner_whole = np.zeros((_BLOCK, inner), np.int16)
    inner_values = _lines(_BLOCK * inner).view(np.float32).reshape(_BLOCK, inner)
    update = _lines(_BLOCK * width).view(np.float32).reshape(_BLOCK, width)
    scales = np.zeros(_BLOCK, np.float32)
    # A tile writes whole rows: the last one of a text runs into the next, which overwrites it.
    context = _lines((tokens + ROWS) * width).view(np.float32).reshape(tokens + ROWS, width)
    # A score is a sum of d products; an output is a mean with weights that add up to 32767.
    limit = np.float32(np.floor(np.sqrt(_INT32 / d)))
    text_limits = (limit, limit, np.float32(32000))
    text_whole = np.zeros((padded + ROWS, 3 * width), np.int16)
    factors = np.empty(3 * width, np.float32)
    text_scales = np.empty(3 * heads, np.float32)
    room = (
        _lines(padded * d // 2).reshape(padded // COLUMNS, d // 2, COLUMNS),
        _lines(padded * d // 2).reshape(d // COLUMNS, padded // 2, COLUMNS),
        _lines(ROWS * padded).view(np.float32).reshape(ROWS, padded),
        np.zeros((ROWS, padded), np.int16),
        np.zeros(2 * ROWS, np.float32),
        np.ones(COLUMNS, np.float32),
        np.zeros(COLUMNS, np.float32),
    )
    for layer in range(norms.shape[0]):
        for first in range(0, tokens if layer else 0, _BLOCK):
            rows = min(_BLOCK, tokens - first)
            _largest(hidden[first:], rows, scales)
            _quantize(hidden[first:], limits[0], whole, scales, rows)
            panels, column_scales, biases = attention
            _linear(
                whole, scales, rows, panels[layer], column_scales[layer], biases[layer],
                qkv[first:],
            )  # fmt: skip
        for text in range(starts.size - 1):
            start, stop = starts[text], starts[text + 1]
            _quantize_text(qkv, start, stop, heads, text_limits, factors, text_scales, text_whole)
            for head in range(heads):
                _attend(text_whole, text_scales, head, heads, stop - start, context[start:], room)
        for first in range(0, tokens, _BLOCK):
            rows = min(_BLOCK, tokens - first)
            norm = norms[layer]
            _largest(context[first:], rows, scales)
            _quantize(context[first:], limits[1], whole, scales, rows)
            panels, column_scales, biases = output
            _linear(whole, scales, rows, panels[layer], column_scales[layer], biases[layer], update)
            add_norm(hidden, update, norm[0], norm[1], epsilon, first, rows)
            _largest(hidden[first:], rows, scales)
            _quantize(hidden[first:], limits[2], whole, scales, rows)
            panels, column_scales, biases = up
            _linear(
                whole, scales, rows, panels[layer], column_scales[layer], biases[layer],
                inner_values,
            )  # fmt: skip
            _gelu(inner_values, rows, scales)
            _quantize(inner_values, limits[3], inner_whole, scales, rows)
            panels, column_scales, biases = down
            _linear(
                inner_whole, scales, rows, panels[layer], column_scales[layer], biases[layer],
                update,
            )  # fmt: skip
            add_norm(hidden, update, norm[2], norm[3], epsilon, first, rows)
