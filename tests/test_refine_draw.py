"""The draw of a round: exact sizes whatever the weights, never a dropped row, pinned rows first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.refinement.draw import WITHIN, Standing, draw_round, living, seed_of
from core.refinement.result import Part, standing_of, subset_mask
from core.refinement.rounds_recipe import read_weights, write_weights
from core.selection import Problem, solve
from core.values import encode_ranges


@st.composite
def pools(draw):
    """Clusters of any sizes, weights of any mix, and what was decided."""
    k = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    rows = draw(st.integers(k, 120))
    labels = rng.choice(k, rows, p=rng.dirichlet(np.full(k, 0.5))).astype(np.int32)
    dropped = rng.random(rows) < draw(st.sampled_from([0.0, 0.3]))
    dropped[0] = False
    pinned = ~dropped & (rng.random(rows) < draw(st.sampled_from([0.0, 0.05])))
    weights = rng.dirichlet(np.full(k, draw(st.sampled_from([0.05, 1.0, 50.0]))))
    weights[rng.random(k) < draw(st.sampled_from([0.0, 0.4]))] = 0.0
    return rng, labels, dropped, pinned, weights


@given(pools(), st.sampled_from(WITHIN), st.integers(1, 5), st.data())
def test_the_budget_is_met_exactly_over_rounds_with_drops_in_between(made, within, rounds, data):
    rng, labels, dropped, pinned, weights = made
    rows, k = len(labels), len(weights)
    budget = data.draw(
        st.integers(
            max(1, int(pinned.sum())), max(1, int((~dropped).sum()) // 2) + int(pinned.sum())
        )
    )
    budget = min(budget, int((~dropped).sum()))
    quality, features = rng.random(rows), rng.normal(size=(rows, 3)).astype(np.float32)
    parts = []
    for number in range(1, rounds + 1):
        standing = standing_of(
            parts, labels, *(encode_ranges(np.flatnonzero(one)) for one in (dropped, pinned))
        )
        try:
            size = standing.size(budget, rounds - number + 1)
        except InputError:  # dropped so much that nothing could be drawn
            assert len(standing.candidates) < budget - standing.kept.sum()
            return
        used = living(weights, standing.by_cluster(standing.candidates, k))
        draw = draw_round(
            standing,
            used,
            size,
            within=within,
            seed=seed_of(3, number),
            quality=quality,
            features=features,
        )
        assert len(draw.rows) == size == len(np.unique(draw.rows)) == len(draw.why)
        assert not dropped[draw.rows].any() and not standing.kept[draw.rows].any()
        assert np.isin(standing.first, draw.rows).all()
        parts.append(Part(draw, standing.lost, 0, used, "", ""))
        subset = subset_mask(parts, rows)
        assert not (subset & dropped).any() and (subset & pinned).sum() == pinned.sum()
        assert subset.sum() <= budget
        if number == rounds:
            assert subset.sum() == budget
            return
        gone = (rng.random(rows) < 0.1) & ~pinned
        dropped = dropped | gone


def _standing(labels, **masks):
    none = np.zeros(len(labels), bool)
    given = {name: none.copy() for name in ("subset", "dropped", "pinned")}
    for name, chosen in masks.items():
        given[name][chosen] = True
    return Standing(np.asarray(labels, np.int32), **given)


def test_one_round_by_cluster_sizes_is_the_rule_of_select():
    rng = np.random.default_rng(0)
    labels, quality = rng.integers(0, 4, 200), rng.random(200)
    weights = np.bincount(labels) / 200
    problem = Problem(None, np.arange(200), 37, labels=labels, quality=quality, seed=9)
    made = draw_round(_standing(labels), weights, 37, within="kmq", seed=9, quality=quality)
    assert made.rows.tolist() == solve("kmq", problem).rows.tolist()


def test_quotas_follow_the_weights_and_what_a_cluster_lacks_goes_to_the_others():
    labels = np.repeat([0, 1, 2], [2, 50, 50])
    weights = np.array([0.5, 0.3, 0.2])
    made = draw_round(_standing(labels), weights, 20, within="random", seed=0)
    # Two of ten are there; 18 in the ratio 3 : 2 is 10.8 and 7.2.
    assert np.bincount(labels[made.rows]).tolist() == [2, 11, 7]


def test_the_budget_of_a_round():
    labels = np.zeros(30, int)
    assert _standing(labels).size(10, 3) == 4
    assert _standing(labels, subset=range(4)).size(10, 2) == 3
    # Two that were drawn are dropped since: eight are missing, over two rounds.
    assert _standing(labels, subset=range(4), dropped=[0, 1]).size(10, 2) == 4
    assert _standing(labels, pinned=range(7)).size(10, 3) == 7
    assert _standing(labels, subset=range(7), pinned=range(7)).size(10, 2) == 2
    with pytest.raises(InputError, match=r"8 pinned rows are to come, .* has room for 7; unpin"):
        _standing(labels, subset=range(3), pinned=range(10, 18)).size(10, 2)
    with pytest.raises(InputError, match=r"10 rows .* still to be drawn, and only 9 others are"):
        _standing(labels, dropped=range(21)).size(10, 2)


def test_a_row_that_left_may_be_drawn_again_once_it_is_restored():
    labels = np.zeros(3, int)
    standing = _standing(labels, subset=[0, 1], dropped=[1])
    assert (standing.lost.tolist(), standing.candidates.tolist()) == ([1], [2])
    again = _standing(labels, subset=[0], dropped=[])
    assert again.candidates.tolist() == [1, 2]


def test_a_round_without_rows_is_empty():
    made = draw_round(_standing([0, 1]), np.array([0.5, 0.5]), 0, within="closest", seed=0)
    assert len(made.rows) == 0 and made.why == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_weights_are_written_exactly(weights):
    assert read_weights(write_weights(np.array(weights))).tolist() == weights


def test_seeds_of_rounds_differ_and_can_be_used_anywhere():
    seeds = {seed_of(seed, number) for seed in (0, 1, 2**31 - 1) for number in range(1, 50)}
    assert len(seeds) == 3 * 49 and all(0 <= seed < 2**31 for seed in seeds)
