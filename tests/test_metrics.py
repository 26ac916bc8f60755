"""The metrics of a subset against loops over pairs and against closed forms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import metrics_functions as metrics
from core.metrics import METRICS, Subset, measure, measure_target
from core.metrics_functions import unit_rows
from core.selection import Problem, solve


def unit(n, dim, seed=0):
    return unit_rows(np.random.default_rng(seed).normal(size=(n, dim)))


def cosine_distance(a, b):
    return 1 - float(np.dot(a.astype(np.float64), b.astype(np.float64)))


def distance(a, b):
    return float(np.linalg.norm(a.astype(np.float64) - b.astype(np.float64)))


def novelty(chosen, i):
    """The weighted mean of one row, rank by rank."""
    others = sorted(cosine_distance(chosen[i], c) for j, c in enumerate(chosen) if j != i)
    weights = [1 / rank for rank in range(1, len(others) + 1)]
    return sum(w * d for w, d in zip(weights, others, strict=True)) / sum(weights)


def test_the_density_is_one_over_the_root_of_the_mean_square_to_ten_neighbours():
    pool = unit(40, 6)
    expected = []
    for row in pool[:7]:
        squares = sorted(distance(row, other) ** 2 for other in pool)[1:11]
        expected.append(1 / math.sqrt(sum(squares) / 10))
    assert metrics.density(pool[:7], pool) == pytest.approx(expected, rel=1e-5)


def test_a_density_is_finite_where_there_is_no_other_row():
    assert np.isfinite(metrics.density(unit(1, 4), unit(1, 4))).all()


@pytest.mark.parametrize("cells", [1, 100, 1 << 25])
def test_novelsum_is_the_mean_of_density_times_proximity_weighted_distance(monkeypatch, cells):
    monkeypatch.setattr(metrics, "_CELLS", cells)
    chosen, densities = unit(30, 5), np.random.default_rng(1).uniform(0.5, 3, 30)
    every = [densities[i] * novelty(chosen, i) for i in range(30)]
    assert metrics.novelsum(chosen, np.arange(30), densities) == pytest.approx(np.mean(every))
    some = np.array([2, 3, 17])
    found = metrics.novelsum(chosen, some, densities[some])
    assert found == pytest.approx(np.mean([every[i] for i in some]), rel=1e-5)


def test_novelsum_of_two_rows_is_their_distance_times_the_mean_density():
    chosen = np.array([[1, 0], [0, 1]], np.float32)
    assert metrics.novelsum(chosen, np.arange(2), np.array([2.0, 4.0])) == pytest.approx(3)


def test_vendi_of_copies_is_one_and_of_orthonormal_rows_their_number():
    assert metrics.vendi(np.repeat(unit(1, 8), 5, axis=0)) == pytest.approx(1)
    assert metrics.vendi(np.repeat(unit(1, 8), 50, axis=0)) == pytest.approx(1)
    assert metrics.vendi(np.eye(8, dtype=np.float32)) == pytest.approx(8)
    copied = np.repeat(np.eye(8, dtype=np.float32), 3, axis=0)
    assert metrics.vendi(copied) == pytest.approx(8)


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_vendi_has_one_value_by_either_matrix(n, dim, seed):
    chosen = unit(n, dim, seed)
    values = np.linalg.eigvalsh(chosen.astype(np.float64) @ chosen.T.astype(np.float64) / n)
    values = values[values > 1e-12]
    expected = math.exp(-sum(v * math.log(v) for v in values))
    found = metrics.vendi(chosen)
    assert found == pytest.approx(expected, rel=1e-6)
    assert 1 - 1e-6 <= found <= min(n, dim) + 1e-6


def test_vendi_does_not_depend_on_the_block(monkeypatch):
    chosen = unit(50, 6)
    whole = metrics.vendi(chosen)
    monkeypatch.setattr(metrics, "_BLOCK", 7)
    assert metrics.vendi(chosen) == pytest.approx(whole)


def test_nearest_distances_are_those_of_a_loop():
    chosen = unit(25, 4)
    expected = [
        min(distance(a, b) for j, b in enumerate(chosen) if j != i) for i, a in enumerate(chosen)
    ]
    assert metrics.nearest_distances(chosen) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("cells", [1, 200, 1 << 25])
def test_near_duplicates_are_rows_with_an_earlier_one(monkeypatch, cells):
    monkeypatch.setattr(metrics, "_CELLS", cells)
    rng = np.random.default_rng(3)
    chosen = unit_rows(np.repeat(unit(12, 6), 4, axis=0) + 0.1 * rng.normal(size=(48, 6)))
    chosen = chosen[rng.permutation(48)]
    late = [
        any(1 - cosine_distance(chosen[i], chosen[j]) >= 0.95 for j in range(i)) for i in range(48)
    ]
    assert 0 < sum(late) < 48
    found = metrics.near_duplicates(chosen, metrics.nearest_distances(chosen))
    assert found == sum(late) / 48


def test_of_copies_all_but_the_first_are_near_duplicates():
    copies = np.repeat(unit(1, 4), 5, axis=0)
    assert metrics.near_duplicates(copies, metrics.nearest_distances(copies)) == 4 / 5
    alone = unit(1, 4)
    assert metrics.near_duplicates(alone, metrics.nearest_distances(alone)) == 0


@pytest.mark.parametrize(
    ("codes", "groups", "share", "even"),
    [
        ([0, 0, 0], 4, 0.25, 0),
        ([0, 1, 2, 3], 4, 1, 1),
        ([0, 0, 1, 1], 4, 0.5, 0.5),
        ([2, 2, 2, 0], 2 + 1, 2 / 3, (0.75 * math.log(4 / 3) + 0.25 * math.log(4)) / math.log(3)),
    ],
)
def test_groups_covered_and_how_evenly(codes, groups, share, even):
    assert metrics.covered(np.array(codes), groups) == pytest.approx(share)
    found = metrics.evenness(np.array(codes), groups)
    assert found == pytest.approx(even) and not np.signbit(found)


def test_the_transport_of_as_many_rows_is_the_cheapest_assignment():
    chosen, targets = unit(5, 3), unit(5, 3, seed=1)
    best = min(
        sum(distance(t, chosen[c]) for t, c in zip(targets, order, strict=True)) / 5
        for order in itertools.permutations(range(5))
    )
    assert metrics.target_ot(chosen, targets) == pytest.approx(best, abs=1e-6)
    assert metrics.target_ot(chosen, chosen[::-1]) == pytest.approx(0, abs=1e-6)


def test_the_transport_to_one_target_row_is_the_mean_distance():
    chosen, targets = unit(6, 3), unit(1, 3, seed=1)
    mean = np.mean([distance(row, targets[0]) for row in chosen])
    assert metrics.target_ot(chosen, targets) == pytest.approx(mean, abs=1e-6)


def test_the_distance_of_targets_is_that_of_a_loop():
    chosen, targets = unit(9, 3), unit(4, 3, seed=1)
    expected = np.mean([min(distance(t, c) for c in chosen) for t in targets])
    assert metrics.target_knn(chosen, targets) == pytest.approx(expected, abs=1e-6)


def test_distinct_rows_are_the_first_of_their_kind():
    vectors = unit(4, 3).astype(np.float16)[[0, 1, 0, 2, 1, 3]]
    assert metrics.distinct(vectors).tolist() == [0, 1, 3, 5]


def test_a_sample_is_everything_or_always_the_same():
    assert metrics.sampled(4, 9).tolist() == [0, 1, 2, 3]
    some = metrics.sampled(1000, 10)
    assert (np.diff(some) > 0).all() and len(some) == 10
    assert some.tolist() == metrics.sampled(1000, 10).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_is_not_what_random_draws(seed):
    """Else the rows that coverage looks at would be chosen ones, at a distance of zero."""
    drawn = solve("random", Problem(None, np.arange(1000), budget=100, seed=seed)).rows
    assert len(np.intersect1d(drawn, metrics.sampled(1000, 100))) < 30


def subset(n, **other):
    chosen = unit(n, 4)
    fields = {
        "vectors": chosen,
        "pool": unit(20, 4, seed=2),
        "lengths": np.arange(1, n + 1),
        "sources": np.arange(n) % 2,
        "n_sources": 2,
        "novel": np.arange(n),
        "density": np.ones(n),
    }
    return Subset(**fields | other)


def test_a_subset_has_every_metric_that_its_parts_allow():
    plain = measure(subset(6))
    labelled = measure(subset(6, labels=np.zeros(6, np.int64), n_clusters=3))
    targeted = measure_target(unit(6, 4), unit(2, 4))
    needs = {m.id: (m.needs_clusters, m.needs_target) for m in METRICS.values()}
    assert set(plain) == {name for name, need in needs.items() if not any(need)}
    assert set(labelled) == {name for name, need in needs.items() if not need[1]}
    assert set(targeted) == {name for name, need in needs.items() if need[1]}
    assert (labelled["clusters_covered"], plain["characters"]) == (pytest.approx(1 / 3), 3.5)


def test_coverage_is_the_distance_of_the_pool_to_the_chosen_rows():
    some = subset(6)
    reach = [min(distance(p, c) for c in some.vectors) for p in some.pool]
    found = measure(some)
    assert found["coverage_radius"] == pytest.approx(max(reach), abs=1e-5)
    assert found["coverage_mean"] == pytest.approx(np.mean(reach), abs=1e-5)


def test_a_metric_without_a_value_is_left_out():
    alone = measure(subset(1, n_sources=1, pool=np.empty((0, 4), np.float32)))
    assert set(alone) == {"vendi", "near_duplicates", "characters", "tokens"}


def test_every_metric_says_what_it_is():
    for metric in METRICS.values():
        assert metric.definition.endswith(".") and metric.range and metric.source
        assert metric.good in ("higher", "lower", "")


def test_tokens_are_estimated_from_all_characters():
    some = subset(6)
    assert measure(some)["tokens"] == some.lengths.sum() / 4
