"""Near-duplicate groups against a graph of all pairs."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core import forest_kernels, tile_scan
from core.errors import InputError
from core.spanning_forest import spanning_forest


def planted(seed, rows=300, dim=12):
    """Rows around a few places, copies among them."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((8, dim))
    vectors = centers[rng.integers(0, 8, rows)] + 0.25 * rng.standard_normal((rows, dim))
    vectors[rng.integers(0, rows, 40)] = vectors[rng.integers(0, rows, 40)]
    return vectors.astype(np.float32)


def plain_groups(vectors, cosine):
    """The first row of each row's group, by spreading along all pairs."""
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    near = unit @ unit.T >= cosine
    first = np.full(len(vectors), -1)
    for row in range(len(vectors)):
        if first[row] >= 0:
            continue
        group = np.zeros(len(vectors), bool)
        group[row] = True
        while (grown := near[group].any(axis=0) | group).sum() > group.sum():
            group = grown
        first[group] = row
    return first


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), cosine=st.floats(0.8, 0.999))
def test_groups_are_those_of_all_pairs(seed, cosine):
    vectors = planted(seed)
    unit = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    assume(np.abs(unit @ unit.T - cosine).min() > 3e-6)  # else rounding decides
    forest = spanning_forest(vectors)
    groups = forest.groups(cosine)
    np.testing.assert_array_equal(groups, plain_groups(vectors, cosine))
    assert forest.joined(cosine) == len(vectors) - len(np.unique(groups))


def test_parts_and_tiles_change_nothing(monkeypatch):
    vectors = planted(3, rows=900)
    whole = spanning_forest(vectors)
    monkeypatch.setattr(tile_scan, "_BLOCK", 64)
    monkeypatch.setattr(tile_scan, "_STRIP", 24)
    monkeypatch.setattr(forest_kernels, "_TOGETHER", 100)
    parted = spanning_forest(vectors)
    np.testing.assert_array_equal(whole.edges, parted.edges)
    np.testing.assert_array_equal(whole.cosines, parted.cosines)


def test_copies_are_joined_at_one():
    vectors = np.eye(5, dtype=np.float16)[[0, 1, 0, 2, 1, 0]] * 3
    forest = spanning_forest(vectors)
    assert forest.groups(1.0).tolist() == [0, 1, 0, 3, 1, 0]
    assert forest.joined(1.0) == 3


def test_pairs_around_a_cosine_are_the_next_ones_on_both_sides():
    forest = spanning_forest(planted(5))
    cosine = float(np.median(forest.cosines))
    above, below = forest.around(cosine, 3)
    assert (forest.cosines[above] >= cosine - 1e-6).all()
    assert (forest.cosines[below] < cosine).all()
    assert above.tolist() == [below[0] - 1, below[0] - 2, below[0] - 3]


@pytest.mark.parametrize("cosine", [0.5, 1.2, -1.0, float("nan")])
def test_a_cosine_out_of_range_is_refused(cosine):
    with pytest.raises(InputError, match=r"between 0\.8 and 1"):
        spanning_forest(planted(1)).groups(cosine)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows):
    forest = spanning_forest(np.ones((rows, 4), np.float32))
    assert forest.groups(0.9).tolist() == list(range(rows))
