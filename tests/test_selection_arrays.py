"""`select_arrays`: types, bad input, odd sizes, and the same answers as the published sweep."""

import subprocess
import sys

import numpy as np
import pytest
from test_selection_transport import heap_walk

from core.errors import InputError
from core.selection import RULES, select_arrays

RNG = np.random.default_rng(0)
POOL = RNG.standard_normal((300, 12)).astype(np.float32)
TARGET = POOL[:4] + 0.1 * RNG.standard_normal((4, 12)).astype(np.float32)


def published(pool, target, alpha, scale, sigma, k, density_k):
    """The published sweep with exact neighbours; distances in float64."""
    pool, target = pool.astype(np.float64), target.astype(np.float64)
    distances = np.linalg.norm(target[:, None] - pool[None], axis=2)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    union = np.unique(rows)
    kernel = np.ones((len(union), 1))
    if sigma:
        squared = ((pool[union][:, None] - pool[union][None]) ** 2).sum(2)
        kernel = np.sort(np.maximum(0, 1 - squared / sigma**2), axis=1)[:, -density_k:]
    densities = np.zeros(len(pool))
    densities[union] = kernel.sum(1)
    near = np.take_along_axis(distances, rows, axis=1)
    plan, _ = heap_walk(near, densities[rows], alpha, scale)
    return np.bincount(rows.ravel(), plan.ravel(), minlength=len(pool))


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.7, 0.97])
@pytest.mark.parametrize("sigma", [0.0, 0.5, 3.0])
@pytest.mark.parametrize(
    ("targets", "k", "density_k"),
    [(4, 50, 1000), (4, 50, 6), (1, 300, 1000), (3, 999, 20), (2, 2, 2)],
)
def test_probabilities_are_those_of_the_published_sweep(weight, sigma, targets, k, density_k):
    pool = np.concatenate([POOL, POOL[:40]])  # copies
    chosen = select_arrays(
        pool,
        TARGET[:targets],
        method="tsds-kde",
        budget=10,
        diversity_weight=weight,
        scale=5.0,
        sigma=sigma,
        max_neighbors=k,
        density_neighbors=density_k,
    )
    expected = published(pool, TARGET[:targets], 1 - weight, 5.0, sigma, min(k, 340), density_k)
    assert np.abs(chosen.probabilities - expected).sum() < 1e-4
    assert chosen.probabilities.sum() == pytest.approx(1)
    assert chosen.selected == 10
    assert np.isfinite(chosen.seconds)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 250.0])
def test_scaling_the_arrays_the_scale_and_sigma_together_changes_nothing(factor):
    rows = [
        select_arrays(
            (POOL * by).astype(np.float64),
            (TARGET * by).astype(np.float64),
            method="tsds-kde",
            budget=40,
            scale=2.0 * by,
            sigma=1.5 * by,
            diversity_weight=0.6,
        ).probabilities
        for by in (1.0, factor)
    ]
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


def test_default_scale_and_width_follow_the_arrays():
    for by in (1.0, 100.0):
        chosen = select_arrays(POOL * by, TARGET * by, method="tsds-kde", budget=40)
        norm = np.sqrt((np.linalg.norm(POOL * by, axis=1) ** 2).mean())
        assert chosen.settings["sigma"] == pytest.approx(np.sqrt(0.1) * norm, rel=1e-4)
        distances = np.linalg.norm((TARGET[:, None] - POOL[None]) * by, axis=2)
        assert chosen.settings["scale"] == pytest.approx(distances.mean(), rel=1e-4)
    unit = (POOL / np.linalg.norm(POOL, axis=1, keepdims=True)).astype(np.float16)
    assert select_arrays(unit, unit[:2], method="tsds-kde", budget=9).settings[
        "sigma"
    ] == pytest.approx(np.sqrt(0.1), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("method", sorted(RULES))
def test_takes_every_float_type(dtype, method):
    chosen = select_arrays(
        POOL.astype(dtype),
        TARGET.astype(dtype),
        method=method,
        ratio=0.1,
        quality=np.arange(300),
        strata=np.array(["a", "b", "c"] * 100),
        seed=3,
    )
    assert chosen.rows.dtype == np.int64 and len(np.unique(chosen.rows)) == 30
    assert chosen.probabilities.shape == (300,)
    assert chosen.inclusion.shape == (30,)
    assert chosen.support >= 30


def test_ratio_is_rounded():
    assert select_arrays(POOL, method="random", ratio=0.005).selected == 2
    assert select_arrays(POOL, method="random", ratio=1e-9).selected == 1
    assert select_arrays(POOL, method="random", ratio=1).selected == 300


def test_one_row_one_target():
    chosen = select_arrays(POOL[:1], POOL[:1], method="tsds-kde", budget=1)
    assert chosen.rows.tolist() == [0] and chosen.probabilities.tolist() == [1.0]


def test_all_rows_and_targets_alike():
    same = np.ones((50, 4), np.float32)
    for method in ("tsds-uniform", "tsds-kde"):
        chosen = select_arrays(same, same[:3], method=method, budget=20, diversity_weight=0.9)
        assert len(np.unique(chosen.rows)) == 20
        assert chosen.settings["scale"] == 1.0


def test_clusters_are_found_and_given():
    planted = np.repeat(np.eye(4, dtype=np.float32) * 10, [10, 20, 30, 40], axis=0)
    planted += 0.01 * RNG.standard_normal((100, 4)).astype(np.float32)
    found = select_arrays(planted, method="kmeans-random", budget=10, clusters=4)
    labels = np.repeat(np.arange(4), [10, 20, 30, 40])
    assert np.bincount(labels[found.rows]).tolist() == [1, 2, 3, 4]
    given = select_arrays(planted, method="kmeans-random", budget=10, labels=labels)
    assert np.bincount(labels[given.rows]).tolist() == [1, 2, 3, 4]
    again = select_arrays(planted, method="kmeans-random", budget=10, clusters=4)
    assert again.rows.tolist() == found.rows.tolist()


def broken(value, row=7):
    array = POOL.copy()
    array[row, 3] = value
    return array


@pytest.mark.parametrize(
    ("pool", "target", "options", "message"),
    [
        (broken(np.nan), TARGET, {}, "Row 7 of the pool holds NaN"),
        (broken(np.inf, 299), TARGET, {}, "Row 299 of the pool holds NaN"),
        (POOL, broken(-np.inf, 2), {}, "Row 2 of the target holds NaN"),
        (broken(2e15), TARGET, {}, "Row 7 of the pool has a norm above 1e+15; scale"),
        (broken(3e38), TARGET, {}, "Row 7 of the pool has a norm above 1e+15; scale"),
        (POOL.astype(float) * 1e300, TARGET, {}, "Row 0 of the pool has a norm above"),
        (POOL, broken(-1e20, 2), {}, "Row 2 of the target has a norm above 1e+15; scale"),
        (POOL, TARGET[:, :5], {}, "5 dimensions and the pool's 12"),
        (POOL[0], TARGET, {}, "must be a 2D array, got shape (12,)"),
        (POOL.astype(np.int64), TARGET, {}, "float16, float32 or float64, got int64"),
        (POOL[:0], TARGET, {}, "The pool is empty"),
        (POOL, TARGET[:0], {}, "The target is empty"),
        (POOL, None, {}, "needs target vectors; give them after the pool's"),
        (POOL, None, {"method": "stratified"}, "needs the group of each row"),
        (POOL, TARGET, {"budget": None}, "either a ratio or a budget"),
        (POOL, TARGET, {"ratio": 0.1}, "either a ratio or a budget"),
        (POOL, TARGET, {"budget": None, "ratio": 1.5}, "above 0 and at most 1, not 1.5"),
        (POOL, TARGET, {"budget": None, "ratio": 0.0}, "above 0 and at most 1, not 0.0"),
        (POOL, TARGET, {"budget": 301}, "more than the 300"),
        (POOL, TARGET, {"method": "kmq"}, "--quality"),
        (POOL, TARGET, {"method": "kmq", "quality": np.ones(3)}, "got float64 of shape (3,)"),
        (POOL, TARGET, {"method": "kmq", "labels": np.ones(3, int)}, "got int64 of shape (3,)"),
        (POOL, TARGET, {"method": "kmq", "clusters": 0}, "between 1 and 300, got 0"),
        (POOL, TARGET, {"duplicate_cosine": 2}, "between 0.0 and 1.0, got 2"),
    ],
)
def test_refusals(pool, target, options, message):
    with pytest.raises(InputError) as caught:
        select_arrays(pool, target, **({"method": "tsds-kde", "budget": 10} | options))
    assert message in str(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", ["tsds-kde", "tsds-uniform", "kmeans-random"])
def test_vectors_just_below_the_limit_are_chosen_from_as_small_ones_are(method):
    factor = 2.0**46  # norms of some 3e14
    target = None if method == "kmeans-random" else TARGET
    small = select_arrays(POOL, target, method=method, budget=40)
    large = select_arrays(
        POOL * factor, target * factor if target is not None else None, method=method, budget=40
    )
    assert large.rows.tolist() == small.rows.tolist()


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from core.selection import select_arrays; import numpy as np;"
        "x = np.eye(20); select_arrays(x, x[:2], method='tsds-kde', budget=5);"
        "print([m for m in ('torch', 'faiss', 'sklearn', 'pandas', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sigma": 0}, True),
        ({"duplicate_cosine": 1}, True),
        ({"sigma": 0.1}, False),
        ({"method": "tsds-uniform"}, False),
    ],
)
def test_a_width_of_zero_is_said_to_make_every_density_one(options, said):
    pool = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    chosen = select_arrays(
        pool, pool[:2], **{"method": "tsds-kde", "budget": 5, "diversity_weight": 0.5} | options
    )
    assert any("every density is 1" in note for note in chosen.notes) is said
    if said:
        plain = select_arrays(pool, pool[:2], method="tsds-uniform", budget=5, diversity_weight=0.5)
        np.testing.assert_array_equal(chosen.rows, plain.rows)
