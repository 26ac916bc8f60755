"""The int16 kernels against plain arithmetic."""

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bert import TEXTS, encoder_by, needs_avx2

from core.encoders.quantized import Embedding, Linear
from core.errors import InputError
from core.madd import COLUMNS


@needs_avx2
@settings(max_examples=40)
@given(
    rows=st.integers(1, 48),
    outputs=st.integers(1, 5),
    inputs=st.integers(1, 6),
    seed=st.integers(0, 10**6),
)
def test_the_product_is_that_of_whole_numbers(rows, outputs, inputs, seed):
    from core.encoders import int16

    draw = np.random.default_rng(seed)
    linear = Linear.of(
        draw.normal(size=(1, COLUMNS * outputs, 16 * inputs))
        * draw.exponential(size=(1, COLUMNS * outputs, 1)),
        draw.normal(size=(1, COLUMNS * outputs)),
    )
    values = (draw.standard_cauchy(size=(48, 16 * inputs))).astype(np.float32)
    whole, scales = np.zeros((48, 16 * inputs), np.int16), np.zeros(48, np.float32)
    int16._largest(values, rows, scales)
    int16._quantize(values, linear.limit, whole, scales, rows)
    assert np.abs(whole[:rows]).max(axis=1).tolist() == [int(linear.limit)] * rows
    np.testing.assert_allclose(
        whole[:rows] * scales[:rows, None], values[:rows], atol=float(scales[:rows].max()) * 0.51
    )
    out = np.full((48, COLUMNS * outputs), np.nan, np.float32)
    int16._linear(whole, scales, rows, linear.panels[0], linear.scales[0], linear.biases[0], out)
    panels = linear.panels[0].reshape(outputs, 8 * inputs, COLUMNS, 2)
    integers = panels.transpose(0, 2, 1, 3).reshape(COLUMNS * outputs, 16 * inputs).astype(np.int64)
    sums = whole[:rows].astype(np.int64) @ integers.T
    expected = sums * (scales[:rows, None] * linear.scales[0]) + linear.biases[0]
    np.testing.assert_allclose(out[:rows], expected, rtol=1e-4, atol=1e-5)


_NARROW = """
import sys
from core import madd
madd._WIDE, madd._LANES, madd.COLUMNS = False, 8, 16
sys.path.insert(0, sys.argv[1])
from test_encoder_int16 import product
print(product().tobytes().hex())
"""


def product():
    """6 x 64 by 64 x 32, tile by tile."""
    import numba

    from core.madd import ROWS, multiply_tile

    draw = np.random.default_rng(3)
    left = draw.integers(-4000, 4000, (ROWS, 64)).astype(np.int16)
    right = draw.integers(-4000, 4000, (32, 64)).astype(np.int16)
    panels = right.reshape(32 // COLUMNS, COLUMNS, 32, 2).transpose(0, 2, 1, 3).copy()
    row_scales = draw.random(ROWS).astype(np.float32)
    column_scales, biases = draw.random((2, 32)).astype(np.float32)
    out = np.empty((ROWS, 32), np.float32)

    @numba.njit(nogil=True)
    def fill(left, panels, row_scales, column_scales, biases, out):
        for p in range(panels.shape[0]):
            multiply_tile(
                left.ctypes.data, 64, panels[p].ctypes.data, 32, row_scales.ctypes.data,
                column_scales[p * COLUMNS :].ctypes.data, biases[p * COLUMNS :].ctypes.data,
                out.ctypes.data + p * COLUMNS * 4, 32,
            )  # fmt: skip

    fill(left, panels, row_scales, column_scales, biases, out)
    exact = left.astype(np.int64) @ right.T.astype(np.int64)
    np.testing.assert_allclose(out, exact * row_scales[:, None] * column_scales + biases, rtol=1e-5)
    return out


@pytest.mark.skipif(COLUMNS == 16, reason="this machine has the narrow kernel only")
def test_the_wide_kernel_gives_the_bits_of_the_narrow_one():
    narrow = subprocess.run(
        [sys.executable, "-c", _NARROW, str(Path(__file__).parent)],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert narrow.stdout.strip() == product().tobytes().hex()


@pytest.mark.parametrize("setting", [{"NUMBA_ENABLE_AVX": "0"}, {"NUMBA_CPU_NAME": "generic"}])
def test_a_numba_that_may_not_use_avx_is_not_asked_to(setting):
    told = subprocess.run(
        [sys.executable, "-c", "from core.madd import HAS_AVX2; print(HAS_AVX2)"],
        env={**os.environ, **setting},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout == "False\n"


@settings(max_examples=60)
@given(st.integers(1, 40), st.sampled_from(["normal", "flat", "peak", "zero"]), st.integers(0, 99))
def test_no_input_can_overflow_a_sum(inputs, kind, seed):
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(2, COLUMNS, 16 * inputs))
    if kind == "flat":
        values = np.sign(values)
    elif kind == "peak":
        values[:, :, 0] = 1e4
    elif kind == "zero":
        values[:, :3] = 0
    linear = Linear.of(values, np.zeros((2, COLUMNS)))
    integers = linear.panels.reshape(2, 1, 8 * inputs, COLUMNS, 2).astype(np.int64)
    largest = np.abs(integers).sum(axis=(2, 4)).max() * int(linear.limit)
    assert largest <= 2**31 - 1
    assert linear.limit >= 500 or kind == "flat"
    assert np.isfinite(linear.scales).all()


@needs_avx2
def test_gelu_softmax_and_norm_are_near_enough():
    from core.encoders import int16

    x = np.linspace(-12, 12, 4 * 4096).astype(np.float32).reshape(4, -1)
    found = x.copy()
    tops = np.zeros(4, np.float32)
    int16._gelu(found, 4, tops)
    np.testing.assert_array_equal(tops, np.abs(found).max(axis=1))
    exact = np.array([v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in x.ravel().astype(float)])
    np.testing.assert_allclose(found.ravel(), exact, atol=5e-5)

    for length in (1, 2, 31, 32, 33, 60):
        scores = np.random.default_rng(length).normal(0, 5, size=(6, 64)).astype(np.float32)
        e = np.exp(scores[:, :length] - scores[:, :length].max(axis=1, keepdims=True))
        whole = np.full((6, 64), 99, np.int16)
        int16._softmax(scores, length, whole)
        expected = e / e.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(whole[:, :length] / 32767, expected, atol=4e-5)
        assert (whole[:, length : (length + 1) // 2 * 2] == 0).all()

    import torch

    hidden, update = np.random.default_rng(1).normal(size=(2, 5, 96)).astype(np.float32)
    weight, bias = np.random.default_rng(2).normal(size=(2, 96)).astype(np.float32)
    expected = torch.nn.functional.layer_norm(
        torch.tensor(hidden[1:4] + update[:3]),
        (96,),
        torch.tensor(weight),
        torch.tensor(bias),
        1e-5,
    )
    before = hidden.copy()
    int16.add_norm(hidden, update, weight, bias, np.float32(1e-5), 1, 3)
    np.testing.assert_allclose(hidden[1:4], expected.numpy(), atol=1e-5)
    np.testing.assert_array_equal(hidden[[0, 4]], before[[0, 4]])


@needs_avx2
def test_vectors_do_not_depend_on_whether_the_kernels_were_compiled_or_loaded(tiny, tmp_path):
    """This process has done one of the two, as the tests before found them; another does the other.

    So a fresh clone compiles them once.
    """
    from core.encoders import int16

    script = """
import hashlib, pathlib, sys
from core.encoders import int16
from core.encoders.bert import BertEncoder, BertShape
from core.encoders.quantized import Int16Engine
from core.encoders.weights import checked
model = checked(pathlib.Path(sys.argv[1]), "tiny", "here")
shape = BertShape.of(model)
vectors = BertEncoder("tiny", "1", shape, Int16Engine(shape)).encode(sys.argv[2:]).vectors
print(hashlib.sha256(vectors.tobytes()).hexdigest(), bool(int16.run_layers.stats.cache_misses))
"""
    vectors = encoder_by("int16", tiny).encode(TEXTS).vectors
    compiled = bool(int16.run_layers.stats.cache_misses)
    empty = {} if compiled else {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, tiny, *TEXTS], capture_output=True, text=True,
        check=True, cwd=Path(__file__).parents[2], env=os.environ | empty,
    )  # fmt: skip
    assert done.stdout.split() == [
        hashlib.sha256(vectors.tobytes()).hexdigest(), str(not compiled),
    ]  # fmt: skip


@needs_avx2
def test_the_first_layers_queries_keys_and_values_are_those_of_the_network():
    import torch

    draw = np.random.default_rng(0)
    words = draw.normal(1, 2, (700, 32)).astype(np.float32)
    positions, weights = draw.normal(size=(2, 96, 32)).astype(np.float32)
    weight, bias, biases = (draw.normal(size=n).astype(np.float32) for n in (32, 32, 96))

    def embedding():
        return Embedding(words, positions, [weight, bias], weights, biases, np.float32(1e-5))

    texts = [[5, 699, 300], [5], [255, 256, 257, 5]]
    ids, places = np.concatenate(texts).astype(np.int64), [0, 1, 2, 0, 0, 1, 2, 3]
    mine = embedding()
    mine.learn(ids)
    hidden, qkv = mine.of(texts, np.array([0, 3, 4, 8]))
    expected = torch.nn.functional.layer_norm(
        torch.tensor(words[ids] + positions[places]),
        (32,),
        torch.tensor(weight),
        torch.tensor(bias),
        1e-5,
    )
    np.testing.assert_allclose(hidden, expected.numpy(), atol=1e-5)
    linear = torch.nn.functional.linear(expected, torch.tensor(weights), torch.tensor(biases))
    np.testing.assert_allclose(qkv[:8], linear.numpy(), atol=5e-3)  # of 25

    with pytest.raises(InputError, match="token 700, but the model has 700"):
        mine.learn(np.array([3, 700]))

    # Not a bit depends on which words came before.
    other = embedding()
    for word in reversed(ids):
        other.learn(np.array([word]))
    np.testing.assert_array_equal(other.of(texts, np.array([0, 3, 4, 8]))[1][:8], qkv[:8])
