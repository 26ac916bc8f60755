"""Weights of a refinement: against the papers' formulas by hand, and what must always hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.refinement.weights import UPDATES, Update, cluster_scores, update_weights

EXACT = Update("paper", shrink=0.0, floor=0.0)


@st.composite
def rounds(draw):
    """Weights, and scored rows of some of the clusters."""
    clusters = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    weights = rng.dirichlet(np.full(clusters, draw(st.sampled_from([0.1, 1.0, 30.0]))))
    labels = rng.integers(0, clusters, draw(st.integers(0, 40)))
    values = rng.gamma(1.0, draw(st.sampled_from([1e-3, 1.0, 1e4])), len(labels))
    values[rng.random(len(labels)) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    return weights, labels, values


@st.composite
def updates(draw):
    return Update(
        draw(st.sampled_from(UPDATES)),
        eta=draw(st.sampled_from([0.1, 1.0, 10.0])),
        exploration=draw(st.sampled_from([0.0, 0.5, 5.0])),
        shrink=draw(st.sampled_from(["auto", 0.0, 5.0, 1000.0])),
        floor=draw(st.sampled_from([0.0, 0.1, 1.0])),
    )


def test_scores_of_clusters_by_hand():
    labels = np.array([0, 0, 2, 2, 2, 1])
    found = cluster_scores(labels, np.array([1.0, 3.0, 5.0, np.nan, 5.0, np.nan]), 4)
    assert found.count.tolist() == [2, 0, 2, 0]
    assert found.mean[[0, 2]].tolist() == [2.0, 5.0] and np.isnan(found.mean[[1, 3]]).all()
    assert found.spread[[0, 2]].tolist() == [1.0, 0.0]
    assert found.overall == 3.5
    # n / (n + m) of the way from the overall mean to the cluster's own: 2 rows, m = 2, half-way.
    assert found.shrunk(2.0)[[0, 2]].tolist() == [2.75, 4.25]


def test_the_spread_of_large_scores_keeps_its_digits():
    rng = np.random.default_rng(0)
    scores = 1e9 + rng.normal(size=50)
    found = cluster_scores(np.zeros(50, int), scores, 1)
    np.testing.assert_allclose(found.spread, [scores.std()], rtol=1e-12)


def test_the_papers_update_by_hand():
    # Algorithm 1 of arXiv 2409.11378: w ← w · s / Σ s, then normalised.
    weights, means = np.array([0.5, 0.3, 0.2]), np.array([2.0, 1.0, 1.0])
    found = update_weights(weights, cluster_scores(np.arange(3), means, 3), EXACT)
    by_hand = weights * means / means.sum()
    np.testing.assert_allclose(found, by_hand / by_hand.sum(), rtol=1e-14)
    np.testing.assert_allclose(found, [1.0 / 1.5, 0.3 / 1.5, 0.2 / 1.5], rtol=1e-14)


def test_the_exponential_update_by_hand():
    weights, means = np.array([0.5, 0.3, 0.2]), np.array([-3.0, 0.0, 3.0])
    scores = cluster_scores(np.arange(3), means, 3)
    found = update_weights(weights, scores, Update("exponential", eta=0.5, shrink=0, floor=0))
    by_hand = weights * np.exp(0.5 * means / np.sqrt(6))
    np.testing.assert_allclose(found, by_hand / by_hand.sum(), rtol=1e-14)


def test_the_optimistic_update_by_hand():
    labels = np.array([0, 0, 0, 0, 1])
    scores = cluster_scores(labels, np.array([1.0, 1.0, 1.0, 1.0, 3.0]), 3)
    weights = np.array([0.5, 0.25, 0.25])
    found = update_weights(weights, scores, Update("ucb", eta=1, exploration=2, shrink=0, floor=0))
    index = np.array([-0.5, 2, 0]) + 2 * np.sqrt(np.log(5) / np.array([4, 1, 1]))
    by_hand = weights * np.exp(index)
    np.testing.assert_allclose(found, by_hand / by_hand.sum(), rtol=1e-14)


@given(rounds(), updates())
def test_what_always_holds(made, update):
    weights, labels, values = made
    k = len(weights)
    scores = cluster_scores(labels, values, k)
    found = update_weights(weights, scores, update)
    assert found.min() >= 0 and found.sum() == pytest.approx(1, abs=1e-12)
    bound = np.minimum(update.floor / k, weights)
    assert (found >= bound * (1 - 1e-9)).all()
    if update.rule != "ucb":
        np.testing.assert_allclose(found[~scores.scored], weights[~scores.scored], rtol=1e-12)
    order = np.random.default_rng(0).permutation(k)  # cluster order[i] is called i
    renamed = cluster_scores(np.argsort(order)[labels], values, k)
    again = update_weights(weights[order], renamed, update)
    np.testing.assert_allclose(again, found[order], rtol=1e-6, atol=1e-12)


@given(rounds(), updates())
def test_of_two_clusters_the_one_with_the_higher_score_gains_more(made, update):
    weights, labels, values = made
    update = replace(update, floor=0.0)
    scores = cluster_scores(labels, values, len(weights))
    told = np.flatnonzero(scores.scored & (weights > 1e-9))
    shrunk = scores.shrunk(update.shrink)
    if update.rule != "ucb":  # there, the rarely scored one may gain more
        gained = update_weights(weights, scores, update)[told] / weights[told]
        ranked = gained[np.argsort(shrunk[told], kind="stable")]
        assert (np.diff(ranked) >= -1e-6 * ranked[1:] - 1e-12).all()


def test_a_higher_score_gives_more_weight():
    weights = np.array([0.2, 0.3, 0.5])
    for rule in UPDATES:
        shares = [
            update_weights(weights, cluster_scores(np.arange(3), np.array(s), 3), Update(rule))[0]
            for s in ([0.5, 2.0, 1.0], [1.0, 2.0, 1.0], [1.5, 2.0, 1.0], [4.0, 2.0, 1.0])
        ]
        assert shares == sorted(set(shares)), rule


def test_without_scores_weights_stay():
    weights = np.array([0.7, 0.3])
    none = cluster_scores(np.array([0, 1]), np.full(2, np.nan), 2)
    for rule in UPDATES:
        assert update_weights(weights, none, Update(rule)).tolist() == [0.7, 0.3]


def test_a_cluster_without_rows_left_keeps_its_share():
    weights = np.array([0.5, 0.3, 0.2])
    scores = cluster_scores(np.arange(3), np.array([9.0, 1.0, 2.0]), 3)
    for rule in UPDATES:
        found = update_weights(weights, scores, Update(rule), alive=np.array([False, True, True]))
        assert found[0] == pytest.approx(0.5) and found[1] < 0.3 and found[2] > 0.2


def test_a_weight_of_zero_stays_and_extremes_stay_finite():
    weights = np.array([0.0, 0.6, 0.4])
    scores = cluster_scores(np.arange(3), np.array([1e300, 1e-300, 5.0]), 3)
    for rule in UPDATES:
        found = update_weights(weights, scores, Update(rule, eta=10, shrink=0))
        assert found[0] == 0 and np.isfinite(found).all() and found.sum() == pytest.approx(1)


def test_the_papers_update_needs_scores_of_zero_or_more():
    scores = cluster_scores(np.arange(3), np.array([1.0, -0.25, 1.0]), 3)
    with pytest.raises(InputError, match=r"cluster 1 has -0\.25\. Use the update exponential"):
        update_weights(np.full(3, 1 / 3), scores, EXACT)
    with pytest.raises(InputError, match="no update 'best'; use exponential, paper, ucb"):
        update_weights(np.full(3, 1 / 3), scores, Update("best"))
    zeros = cluster_scores(np.arange(3), np.zeros(3), 3)
    assert update_weights(np.array([0.5, 0.25, 0.25]), zeros, EXACT).tolist() == [0.5, 0.25, 0.25]


def test_clusters_are_shrunk_by_what_chance_explains():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 6)
    noise = rng.normal(size=240)
    chance = cluster_scores(labels, noise, 40)
    assert chance.pseudo_count > 8
    means = rng.normal(size=40)
    for share, expected in ((1.0, 1.0), (3.0, 1 / 9)):  # variance within over that between
        found = cluster_scores(labels, noise + share * means[labels], 40).pseudo_count
        assert expected / 2.5 < found < expected * 2.5
    # By hand: two clusters of two; within (1 + 1) / 2 = 1, between (4 - 1) / 2.
    by_hand = cluster_scores(np.array([0, 0, 1, 1]), np.array([0.0, 2**0.5, 2.0, 2 + 2**0.5]), 3)
    assert by_hand.pseudo_count == pytest.approx(1 / 1.5)
    shifted = cluster_scores(labels, 1e9 * (noise + means[labels]), 40)
    same = cluster_scores(labels, noise + means[labels], 40)
    assert shifted.pseudo_count == pytest.approx(same.pseudo_count)
    assert cluster_scores(np.arange(5), np.arange(5.0), 5).pseudo_count == 5.0
    weights = np.full(40, 1 / 40)

    def pull(scores, shrink):
        moved = update_weights(weights, scores, Update(shrink=shrink, floor=0))
        return np.abs(np.log(moved * 40)).max()

    assert pull(chance, "auto") < pull(chance, 0.0) / 2
    assert pull(same, "auto") > pull(same, 0.0) * 0.8
