"""Kernel density against the double loop."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.madd import HAS_AVX2
from core.selection import density
from core.selection.arrays import select_arrays
from core.selection.density import KernelDensity

needs_avx2 = pytest.mark.skipif(not HAS_AVX2, reason="16-bit kernels need a CPU with AVX2")


def naive(base, sigma, limit=0):
    base = np.asarray(base, np.float64)
    squared = ((base[:, None] - base[None]) ** 2).sum(axis=2)
    kernel = np.maximum(0, 1 - squared / sigma**2)
    if limit:
        kernel = np.sort(kernel, axis=1)[:, -limit:]
    return kernel.sum(axis=1)


def clustered(seed, rows=700, dim=40, spread=0.08):
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((12, dim))
    base = centers[rng.integers(0, 12, rows)] + spread * rng.standard_normal((rows, dim))
    return (base / np.linalg.norm(base, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.005, 0.05, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_the_double_loop(sigma, dtype):
    base = clustered(0).astype(dtype)
    expected = naive(base, sigma)
    density = KernelDensity(base, sigma).at(np.arange(len(base)))
    np.testing.assert_allclose(density, expected, rtol=1e-5)
    assert expected.max() > 1 or sigma < 0.3


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), sigma=st.floats(0.01, 2), dim=st.integers(1, 60))
def test_no_pair_is_pruned_wrongly(seed, sigma, dim):
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((60, dim)) * rng.exponential(1, dim)
    base = np.concatenate([base, base[:20] + 0.3 * sigma * rng.standard_normal((20, dim)) / dim])
    asked = rng.permutation(80)[:50]
    np.testing.assert_allclose(
        KernelDensity(base, sigma).at(asked), naive(base, sigma)[asked], rtol=1e-4
    )


def test_asking_in_parts_in_any_order_and_again_changes_nothing():
    base = clustered(1)
    whole = KernelDensity(base, 0.4).at(np.arange(len(base)))
    lazy = KernelDensity(base, 0.4)
    order = np.random.default_rng(0).permutation(len(base))
    for part in np.array_split(order, 9):
        np.testing.assert_allclose(lazy.at(part), whole[part], rtol=1e-6)
    np.testing.assert_allclose(lazy.at(order[:50]), whole[order[:50]], rtol=1e-6)


@pytest.mark.parametrize("wide", [1 << 15, 300])
def test_limit_counts_only_the_nearest(wide, monkeypatch):
    monkeypatch.setattr("core.selection.density._WIDE", wide)
    base = clustered(2)
    for limit in (1, 7, 100, 5000):
        density = KernelDensity(base, 0.5, limit).at(np.arange(len(base)))
        np.testing.assert_allclose(density, naive(base, 0.5, limit), rtol=1e-5)


def test_copies_count_fully():
    base = np.repeat(clustered(3, rows=4, spread=1.0), [1, 3, 50, 1], axis=0)
    density = KernelDensity(base, 0.01).at(np.arange(len(base)))
    np.testing.assert_allclose(density, np.repeat([1, 3, 50, 1], [1, 3, 50, 1]), rtol=1e-6)


def test_zero_width_makes_every_density_one():
    base = np.ones((5, 3))
    assert KernelDensity(base, 0.0).at(np.arange(5)).tolist() == [1.0] * 5


def test_a_base_far_from_the_origin():
    base = clustered(4).astype(np.float64) + 1e4
    density = KernelDensity(base, 0.3).at(np.arange(len(base)))
    np.testing.assert_allclose(density, naive(clustered(4), 0.3), rtol=1e-4)


def test_a_call_that_was_stopped_goes_on_and_gives_the_same():
    base = np.random.default_rng(3).normal(size=(1500, 8)).astype(np.float32)
    rows = np.arange(0, 1500, 2)
    whole = KernelDensity(base, 1.5).at(rows)
    stopped = KernelDensity(base, 1.5)

    def stop(done, total, what):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.at(rows, stop)
    np.testing.assert_array_equal(stopped.at(rows), whole)


@needs_avx2
@pytest.mark.parametrize("dim", [1, 7, 256])
def test_rows_in_16_bits_give_nearly_the_same(dim, monkeypatch):
    monkeypatch.setattr("core.selection.density._MANY_ROWS", 0)
    monkeypatch.setattr("core.selection.density._LONG", 100)
    base = np.concatenate([clustered(5, rows=1501, dim=max(dim, 2), spread=0.5)[:, :dim]] * 2)
    sigma = float(np.quantile(np.linalg.norm(base[:200, None] - base[None, 200:400], axis=2), 0.4))
    density = KernelDensity(base, sigma)
    asked = np.random.default_rng(0).permutation(len(base))[:2500]
    first, second = density.at(asked[:1700]), density.at(asked[1700:])
    assert vars(density).get("_rounded"), "the first look left too little for this to be a test"
    expected = naive(base, sigma)[asked]
    np.testing.assert_allclose(np.concatenate([first, second]), expected, rtol=3e-4)
    assert expected.max() > 10


@needs_avx2
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    dim=st.integers(1, 70),
    rows=st.integers(1, 50),
    columns=st.integers(0, 90),
)
def test_sums_of_rounded_rows(seed, dim, rows, columns):
    from core.selection import density_tiles

    rng = np.random.default_rng(seed)
    base = rng.standard_normal((90, dim)) * np.exp(rng.normal(0, 0.7, (90, 1)))
    base[rng.integers(0, 90, 20)] = base[0]
    base[rng.integers(0, 90, 3)] = 0
    sigma = float(np.linalg.norm(base, axis=1).max() * rng.uniform(0.35, 2))
    asked, others = rng.choice(90, rows, replace=False), rng.choice(90, columns, replace=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(density_tiles, "_PART", 64)
        of_rows, of_columns = density_tiles.RoundedRows(base.astype(np.float32), sigma).sums(
            asked, others
        )
    squared = ((base[asked, None] - base[None, others]) ** 2).sum(axis=2)
    kernel = np.maximum(0, 1 - squared / sigma**2)
    np.testing.assert_allclose(of_rows, kernel.sum(axis=1), rtol=3e-4, atol=3e-4)
    np.testing.assert_allclose(of_columns, kernel.sum(axis=0), rtol=3e-4, atol=3e-4)


@needs_avx2
def test_copies_that_are_rounded_count_fully():
    from core.selection.density_tiles import RoundedRows

    base = np.repeat(clustered(3, rows=4, spread=1.0), [1, 3, 50, 1], axis=0)
    of_rows, _ = RoundedRows(base, 0.3).sums(np.arange(55), np.arange(55))
    np.testing.assert_allclose(of_rows, np.repeat([1, 3, 50, 1], [1, 3, 50, 1]), rtol=1e-6)


@needs_avx2
@pytest.mark.parametrize(
    ("rows", "sigma", "loads"),
    [(20_000, 3.0, True), (19_999, 3.0, False), (20_000, 0.3, False)],
)
def test_what_wide_densities_of_many_rows_need_is_loaded_beforehand(
    rows, sigma, loads, monkeypatch
):
    loaded = threading.Event()
    monkeypatch.setattr("core.selection.density_tiles.load_kernel", loaded.set)
    density._load_tiles.cache_clear()
    features = clustered(5, rows=500, dim=8, spread=0.1) + 40  # only their spread counts
    density.expect(features, sigma * float(np.linalg.norm(features.std(axis=0))), rows)
    assert density._load_tiles.cache_info().currsize == loads
    density._load_tiles().join()
    assert loaded.is_set()
    density._load_tiles.cache_clear()


@needs_avx2
def test_what_is_loaded_beforehand_is_what_is_used():
    from core.selection import density_tiles

    density_tiles.load_kernel()
    base = clustered(3, rows=40, dim=5).astype(np.float16)
    density_tiles.RoundedRows(base.astype(np.float32), 1.0).sums(np.arange(7), np.arange(40))
    assert len(density_tiles._sum_kernels.signatures) == 1


@pytest.mark.parametrize(("whole", "rows"), [("prefetched", 60), ("pool", 200)])
def test_a_path_says_beforehand_how_many_densities_it_may_need(whole, rows, monkeypatch):
    said = []
    monkeypatch.setattr("core.selection.tsds.expect", lambda _, sigma, most: said.append(most))
    pool = clustered(4, rows=200, dim=5)
    select_arrays(
        pool, pool[:3], method="tsds-kde", budget=9, max_neighbors=20, density_scope=whole
    )
    assert said == [rows]
