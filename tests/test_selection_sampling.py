"""Sharing, drawing and quotas, against plain restatements."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from core.selection.quotas import largest_remainder
from core.selection.sampling import inclusion_probabilities, systematic, uniform, water_fill

weights_lists = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-6, 1e3), st.floats(1e-300, 1e-3)), min_size=1, max_size=12
)


@settings(max_examples=200)
@given(weights=weights_lists, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_water_fill_meets_total_and_bounds(weights, share, seed):
    weights = np.array(weights)
    rng = np.random.default_rng(seed)
    floors = rng.integers(0, 3, len(weights)).astype(float)
    caps = floors + rng.integers(0, 4, len(weights))
    total = floors.sum() + share * (caps.sum() - floors.sum())
    values = water_fill(weights, total, caps, floors)
    assert values.sum() == pytest.approx(total, abs=1e-9)
    assert (values >= floors).all() and (values <= caps + 1e-12).all()


@settings(max_examples=100)
@given(
    weights=st.lists(st.floats(0.01, 100), min_size=2, max_size=15),
    data=st.data(),
)
def test_inclusion_probabilities_are_capped_multiples_of_the_weights(weights, data):
    weights = np.array(weights)
    size = data.draw(st.integers(1, len(weights) - 1))

    def surplus(level):
        return np.minimum(1, level * weights).sum() - size

    level = brentq(surplus, 0, 2 / weights.min(), xtol=1e-14, rtol=1e-14)
    expected = np.minimum(1, level * weights)
    np.testing.assert_allclose(inclusion_probabilities(weights, size), expected, rtol=1e-6)


def test_weightless_entries_share_what_the_others_cannot_take():
    np.testing.assert_allclose(water_fill(np.array([5.0, 0, 0, 1]), 3.0), [1, 0.5, 0.5, 1])
    np.testing.assert_allclose(water_fill(np.zeros(4), 2.0), np.full(4, 0.5))
    np.testing.assert_allclose(water_fill(np.array([1e-320, 1.0, 1.0]), 2.5), [0.5, 1, 1])


@settings(max_examples=200)
@given(
    weights=st.lists(st.floats(0.0, 50), min_size=1, max_size=60),
    size=st.integers(0, 60),
    seed=st.integers(0, 2**31),
)
def test_systematic_draws_exactly_so_many_different_entries(weights, size, seed):
    size = min(size, len(weights))
    probabilities = inclusion_probabilities(np.array(weights), size)
    taken = systematic(probabilities, np.random.default_rng(seed))
    assert len(taken) == size
    assert (np.diff(taken) > 0).all()
    assert (probabilities[taken] > 0).all()
    assert set(np.flatnonzero(probabilities >= 1)) <= set(taken)


# Subnormal, negligible beside others, and near the largest number that there is.
extreme = st.sampled_from([0.0, 5e-324, 1e-320, 1e-300, 1e-199, 1e-16, 0.3, 1.0, 1e150, 1.7e308])


@pytest.mark.filterwarnings("error")
@settings(max_examples=200)
@given(weights=st.lists(extreme, min_size=1, max_size=20), data=st.data())
def test_extreme_weights_give_the_exact_size(weights, data):
    size = data.draw(st.integers(0, len(weights)))
    weights = np.array(weights)
    probabilities = inclusion_probabilities(weights, size)
    assert (probabilities >= 0).all() and (probabilities <= 1).all()
    assert probabilities.sum() == pytest.approx(size, abs=1e-9)
    assert (np.diff(probabilities[np.argsort(weights, kind="stable")]) >= 0).all()
    taken = systematic(probabilities, np.random.default_rng(size))
    assert len(taken) == size and (np.diff(taken) > 0).all()


def test_systematic_meets_each_probability_over_many_seeds():
    rng = np.random.default_rng(0)
    probabilities = inclusion_probabilities(rng.pareto(1.0, 40), 12)
    assert (probabilities == 1).any() and (probabilities < 0.1).any()
    draws = 4000
    counts = np.zeros(40)
    for seed in range(draws):
        counts[systematic(probabilities, np.random.default_rng(seed))] += 1
    spread = np.sqrt(probabilities * (1 - probabilities) / draws)
    assert (np.abs(counts / draws - probabilities) <= 5 * spread + 1e-12).all()


def test_systematic_keeps_its_size_with_very_many_entries():
    probabilities = inclusion_probabilities(np.random.default_rng(1).random(400_000) ** 8, 99_999)
    taken = systematic(probabilities, np.random.default_rng(2))
    assert len(np.unique(taken)) == 99_999


def test_uniform_takes_every_set_alike():
    counts = dict.fromkeys(itertools.combinations(range(4), 2), 0)
    for seed in range(3000):
        counts[tuple(uniform(4, 2, np.random.default_rng(seed)).tolist())] += 1
    assert all(abs(count - 500) < 5 * np.sqrt(500) for count in counts.values())


def _all_allocations(total, caps, floors):
    ranges = [range(low, high + 1) for low, high in zip(floors, caps, strict=True)]
    return [split for split in itertools.product(*ranges) if sum(split) == total]


@settings(max_examples=150)
@given(data=st.data())
def test_quotas_are_the_whole_numbers_nearest_to_the_shares(data):
    groups = data.draw(st.integers(1, 4))
    weights = np.array(data.draw(st.lists(st.integers(1, 9), min_size=groups, max_size=groups)))
    floors = np.array(data.draw(st.lists(st.integers(0, 2), min_size=groups, max_size=groups)))
    room = np.array(data.draw(st.lists(st.integers(0, 4), min_size=groups, max_size=groups)))
    caps = floors + room
    total = data.draw(st.integers(int(floors.sum()), int(caps.sum())))

    def surplus(level):
        return np.clip(level * weights, floors, caps).sum() - total

    shares = np.clip(brentq(surplus, 0, 1e3, xtol=1e-13) * weights, floors, caps)
    quotas = largest_remainder(weights, total, caps, floors)
    assert quotas.sum() == total
    assert (quotas >= floors).all() and (quotas <= caps).all()
    best = min(
        ((np.array(split) - shares) ** 2).sum() for split in _all_allocations(total, caps, floors)
    )
    assert ((quotas - shares) ** 2).sum() == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize(
    ("weights", "total", "caps", "expected"),
    [
        ([50, 30, 20], 10, [50, 30, 20], [5, 3, 2]),
        ([1, 1, 1], 4, [9, 9, 9], [2, 1, 1]),  # ties go to the lower group
        ([1, 1, 1], 9, [1, 9, 9], [1, 4, 4]),  # what a group cannot give is shared again
        ([10, 1, 1], 6, [2, 9, 9], [2, 2, 2]),
        ([0, 1], 5, [9, 2], [3, 2]),  # weight 0 gives only what nobody else can
        ([3, 3], 0, [3, 3], [0, 0]),
    ],
)
def test_quotas_by_hand(weights, total, caps, expected):
    quotas = largest_remainder(np.array(weights), total, np.array(caps))
    assert quotas.tolist() == expected
