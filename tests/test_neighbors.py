"""Nearest neighbours against a plain float64 re-statement."""

import builtins
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import copies, neighbors
from core.copies import Copies
from core.errors import InputError
from core.neighbors import exact_neighbors


def brute(queries, base, k, exclude_self=False):
    difference = queries[:, None].astype(np.float64) - base[None].astype(np.float64)
    distances = np.sqrt((difference**2).sum(axis=2))
    if exclude_self:
        np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


@pytest.fixture(params=["numpy", "torch"])
def engine(request, monkeypatch):
    """Both first passes; the torch one is what runs on CUDA."""

    if request.param == "torch":
        on_cpu = partial(neighbors._torch_pass, device="cpu")
        monkeypatch.setattr(neighbors, "_numpy_pass", on_cpu)
    return request.param


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("rows", "dim", "k"), [(1, 1, 1), (7, 3, 7), (900, 24, 10), (5000, 8, 3)])
def test_same_as_brute_force(engine, rows, dim, k, dtype):
    rng = np.random.default_rng(rows)
    base = (rng.standard_normal((rows, dim)) * 3 + 5).astype(dtype)
    queries = rng.standard_normal((11, dim)).astype(dtype)
    found = exact_neighbors(queries, base, k)
    rows_expected, expected = brute(queries, base, k)
    assert found.indices.dtype == np.int64
    assert found.distances.dtype == np.float32
    np.testing.assert_allclose(found.distances, expected, rtol=2e-5)
    np.testing.assert_array_equal(found.indices, rows_expected)


# Small whole numbers: every distance is exact, so that ties are real ties.
@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(1, 4), st.integers(1, 50), st.booleans(), st.integers(0, 10_000)
)
def test_ties_go_to_the_lower_row(rows, dim, k, exclude_self, seed):
    base = np.random.default_rng(seed).integers(0, 3, (rows, dim)).astype(np.float32)
    found = exact_neighbors(base, base, k, exclude_self=exclude_self)
    expected, distances = brute(base, base, min(k, rows - exclude_self), exclude_self)
    np.testing.assert_array_equal(found.indices, expected)
    np.testing.assert_allclose(found.distances, distances, atol=1e-6)


def test_more_copies_than_candidates(engine):
    rng = np.random.default_rng(3)
    kinds = rng.standard_normal((4, 16)).astype(np.float32)
    base = kinds[rng.integers(0, 4, 700)]
    base[500] = 9
    found = exact_neighbors(base, base, 50, exclude_self=True)
    expected, _ = brute(base, base, 50, exclude_self=True)
    np.testing.assert_array_equal(found.indices, expected)


def sign_flips(rng):
    signs = rng.choice([-1.0, 1.0], (1, 64)).repeat(300, axis=0)
    for row, places in enumerate(rng.integers(0, 32, (300, 2))):
        signs[row, 2 * places + 1] *= -1
    return signs / 8


def one_hot(rng):
    return np.eye(80)[2 * rng.integers(0, 40, 300) + 1]


@pytest.mark.parametrize("made", [sign_flips, one_hot])
@pytest.mark.parametrize("same_keys", [False, True])
def test_copies_are_rows_of_the_same_bits(monkeypatch, made, same_keys):
    rows = made(np.random.default_rng(9)).astype(np.float32)
    if same_keys:
        monkeypatch.setattr(copies, "_factors", lambda dim: np.zeros(dim, np.uint64))
    found = Copies.of(rows)
    _, first, kind = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    assert found.first.tolist() == sorted(first.tolist())
    np.testing.assert_array_equal(found.leader, first[kind.ravel()])


def test_rows_that_differ_in_signs_have_keys_of_their_own():
    """A key that they shared would have each of them looked at by itself."""
    rows = sign_flips(np.random.default_rng(9)).astype(np.float32)
    keys = copies._bits(rows) @ copies._factors(64)
    assert len(np.unique(keys)) == len(np.unique(rows, axis=0))


@pytest.mark.parametrize("spread", [1e-4, 1e-2, 2e-2, 5e-2])
def test_near_ties_beyond_the_slack_are_searched_again(engine, spread):
    """The first pass cannot tell them apart: far from the mean, a hair from each other."""
    rng = np.random.default_rng(4)
    base = np.concatenate([np.full((600, 64), 40.0), np.full((600, 64), -40.0)])
    base = (base + rng.standard_normal(base.shape) * spread).astype(np.float32)
    queries = base[:50] + np.float32(spread)
    found = exact_neighbors(queries, base, 6)
    _, expected = brute(queries, base, 6)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-5)


def test_pieces_and_blocks_do_not_change_the_answer(monkeypatch, engine):
    rng = np.random.default_rng(5)
    base = rng.standard_normal((3000, 12)).astype(np.float32)
    base[1500:1600] = base[:100]
    whole = exact_neighbors(base, base, 9, exclude_self=True)
    monkeypatch.setattr(neighbors, "_PIECE", 700)
    for cells in ("_CELLS", "_DEVICE_CELLS"):
        monkeypatch.setattr(neighbors, cells, 100_000)
    monkeypatch.setattr(neighbors, "_READY_BYTES", 0)
    monkeypatch.setattr(neighbors, "_GATHERED", 5)
    pieces = exact_neighbors(base, base, 9, exclude_self=True, block=130)
    np.testing.assert_array_equal(whole.indices, pieces.indices)
    np.testing.assert_array_equal(whole.distances, pieces.distances)


def test_the_bound_on_rounding_holds():
    """The constant behind 'exact' is above anything a float32 product does here."""
    rng = np.random.default_rng(6)
    for dim in (2, 64, 768, 3072):
        a = rng.standard_normal((300, dim)).astype(np.float32)
        a[:150] = a[150:] + rng.standard_normal((150, dim)).astype(np.float32) * np.float32(1e-3)
        norms = (a.astype(np.float64) ** 2).sum(axis=1)
        fast = norms[:, None].astype(np.float32) + norms.astype(np.float32) - 2 * (a @ a.T)
        exact = norms[:, None] + norms - 2 * (a.astype(np.float64) @ a.T.astype(np.float64))
        worst = (np.abs(fast - exact) / (norms[:, None] + norms.max())).max()
        assert worst < neighbors._ROUNDING / 3


def test_reads_a_memory_map(tmp_path):
    base = np.random.default_rng(7).standard_normal((200, 6)).astype(np.float16)
    np.save(tmp_path / "base.npy", base)
    found = exact_neighbors(base[:3], np.load(tmp_path / "base.npy", mmap_mode="r"), 4)
    np.testing.assert_array_equal(found.indices, brute(base[:3], base, 4)[0])


def test_nothing_to_find():
    one = np.ones((1, 3), np.float32)
    assert exact_neighbors(one, one, 5, exclude_self=True).indices.shape == (1, 0)
    assert exact_neighbors(one[:0], one, 5).distances.shape == (0, 1)


@pytest.mark.parametrize(
    ("queries", "base", "options", "said"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), {}, "3 dimensions"),
        (np.ones(3), np.ones((2, 3)), {}, "2D"),
        (np.ones((2, 3)), np.ones((0, 3)), {}, "no rows"),
        (np.ones((2, 3)), np.ones((3, 3)), {"exclude_self": True}, "same rows"),
        (np.full((2, 3), np.nan), np.ones((2, 3)), {}, "queries hold NaN"),
        (np.ones((2, 3)), np.full((2, 3), np.inf), {}, "base holds NaN"),
        (np.ones((2, 3)), np.ones((2, 3)), {"device": "tpu"}, "tpu"),
        (np.ones((2, 3)), np.ones((2, 3)), {"k": 0}, "at least 1"),
    ],
)
def test_unusable_input_is_one_sentence(queries, base, options, said):
    with pytest.raises(InputError, match=said):
        exact_neighbors(queries, base, **({"k": 1} | options))


def test_works_without_faiss(monkeypatch, engine):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == "faiss":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    base = np.eye(5, dtype=np.float32)
    assert exact_neighbors(base, base, 1).indices.ravel().tolist() == [0, 1, 2, 3, 4]


def test_progress_reaches_the_end():
    seen = []
    base = np.random.default_rng(8).standard_normal((50, 4))
    exact_neighbors(base, base, 2, block=20, progress=lambda *call: seen.append(call))
    assert [call[:2] for call in seen] == [(20, 50), (40, 50), (50, 50)]
