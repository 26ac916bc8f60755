import math

import numpy as np
import pytest

from core import coloring as coloring_module
from core.coloring import by_category, by_number, rows_in_range
from core.errors import InputError


def test_categories_without_a_name_are_neutral():
    labels = np.random.default_rng(0).integers(-1, 4, 500)
    points = np.random.default_rng(1).normal(size=(500, 2))
    names = ["a", "b", "c", "d"]
    coloring = by_category(labels, names, points=points, label="Source")
    assert (coloring.codes[labels == -1] == len(names)).all()
    assert coloring.legend["none"] == (labels == -1).sum()
    assert coloring.light.shape == coloring.dark.shape == (len(names) + 1, 3)
    named = sum(entry["count"] for entry in coloring.legend["entries"])
    assert named + coloring.legend["other"] + coloring.legend["none"] == len(labels)


def test_of_too_many_categories_the_largest_keep_theirs(monkeypatch):
    monkeypatch.setattr(coloring_module, "MAX_GROUPS", 300)
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.arange(400), np.repeat(399, 50)])
    points = rng.normal(size=(len(codes), 2))
    coloring = by_category(codes, [str(i) for i in range(400)], points=points)
    assert len(coloring.names) == 300
    assert coloring.names[coloring.codes[-1]] == "399"
    assert coloring.codes.dtype == np.uint16
    assert coloring.legend["none"] == 0
    assert coloring.legend["entries"][0] == {
        "name": "399",
        "count": 51,
        "group": coloring.codes[-1],
    }


def test_the_legend_names_the_largest_groups_and_counts_the_rest():
    codes = np.repeat(np.arange(30), np.arange(1, 31))
    points = np.random.default_rng(0).normal(size=(len(codes), 2))
    legend = by_category(codes, [str(i) for i in range(30)], points=points).legend
    assert [entry["name"] for entry in legend["entries"]] == [str(i) for i in range(29, 5, -1)]
    assert legend["other"] == 1 + 2 + 3 + 4 + 5 + 6


def test_numbers_go_from_low_to_high_and_those_missing_are_neutral():
    values = np.array([0.0, 5.0, 10.0, np.nan, np.inf, 99.0])
    coloring = by_number(values, low=0, high=10)
    assert coloring.codes.tolist() == [1, 128, 255, 0, 0, 255]
    assert (coloring.legend["none"], coloring.legend["above"]) == (2, True)
    assert coloring.legend["below"] is False


@pytest.mark.parametrize("values", [np.full(4, 3.0), np.full(4, np.nan)])
def test_numbers_that_are_all_the_same_or_all_missing(values):
    coloring = by_number(values)
    assert len(set(coloring.codes.tolist())) == 1
    assert math.isfinite(coloring.legend["low"])


def test_a_logarithmic_scale_spreads_ratios_evenly():
    coloring = by_number(np.array([1.0, 10.0, 100.0, 0.0]), low=1, high=100, logarithmic=True)
    assert coloring.codes.tolist() == [1, 128, 255, 0]
    assert (coloring.legend["low"], coloring.legend["high"]) == (1, 100)


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize(("first", "last"), [(1, 255), (1, 40), (17, 17), (100, 255)])
def test_a_range_holds_the_rows_that_have_its_colours(logarithmic, first, last):
    values = np.random.default_rng(0).gamma(2, 300, 4000)
    values[::50] = np.nan
    coloring = by_number(values, logarithmic=logarithmic)
    low, high = coloring.legend["low"], coloring.legend["high"]
    share = np.array([first - 1, last - 1]) / 254
    ends = low * (high / low) ** share if logarithmic else low + (high - low) * share
    expected = np.flatnonzero((coloring.codes >= first) & (coloring.codes <= last))
    assert rows_in_range(coloring, *ends).tolist() == expected.tolist()
    if (first, last) == (1, 255):
        assert len(expected) == np.isfinite(values).sum()


def test_whole_numbers_have_a_scale_with_whole_ends():
    values = np.random.default_rng(0).lognormal(4, 1, 2000).astype(int) + 1
    for logarithmic in (False, True):
        legend = by_number(values, logarithmic=logarithmic).legend
        assert float(legend["low"]).is_integer() and float(legend["high"]).is_integer()
        assert values.min() <= legend["low"] < legend["high"] <= values.max()
    assert not float(by_number(values + 0.5).legend["low"]).is_integer()


def test_a_range_beyond_the_scale_is_its_end_and_needs_a_number():
    coloring = by_number(np.array([1.0, 10.0, 100.0, 0.0]), low=1, high=100, logarithmic=True)
    assert rows_in_range(coloring, -1e300, 1.0).tolist() == [0]
    assert rows_in_range(coloring, 5, 1e308).tolist() == [1, 2]
    nothing = by_number(np.full(4, np.nan), logarithmic=True)
    assert rows_in_range(nothing, 0, 1).tolist() == []
    with pytest.raises(InputError, match="swap"):
        rows_in_range(coloring, 2, 1)
    named = by_category(np.zeros(4, int), ["a"], points=np.zeros((4, 2)))
    with pytest.raises(InputError, match="number"):
        rows_in_range(named, 0, 1)
