import math

import numpy as np
import pytest

from core.coloring import by_category, by_number


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


def test_thousands_of_categories_keep_the_largest():
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.arange(5000), np.repeat(4999, 50)])
    points = rng.normal(size=(len(codes), 2))
    coloring = by_category(codes, [str(i) for i in range(5000)], points=points)
    assert len(coloring.names) == 4096
    assert coloring.names[coloring.codes[-1]] == "4999"
    assert coloring.legend["none"] == 0
    assert coloring.legend["entries"][0] == {
        "name": "4999",
        "count": 51,
        "group": coloring.codes[-1],
    }


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
