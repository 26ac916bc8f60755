"""Bars and colours of numbers that are huge, tiny or missing, without a warning."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.coloring import by_number, rows_in_range
from core.column_coloring import FEW_NUMBERS, color_numbers, color_rows
from core.facet_columns import BARS, NumberColumn
from core.facets import Between, Facets
from core.ingest import init_pool
from core.project import Project
from core.scales import spreads_by_ratio
from pages.ui.facet_charts import told

MOST = np.finfo(np.float64).max
EDGES = st.sampled_from(
    [MOST, -MOST, 1e308, -1e308, 5e-324, -5e-324, 0.0, 1e-10, math.inf, math.nan]
)
NUMBERS = st.lists(EDGES | st.floats() | st.floats(0, 10), min_size=1, max_size=60)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@settings(max_examples=50)
@given(NUMBERS)
@example([-MOST, MOST, *map(float, range(30))])
@example([5e-324, MOST, *map(float, range(1, 30))])
@example([0.0] * 5 + [5e-324 * n for n in range(30)])
def test_every_number_is_in_one_bar(numbers):
    values = np.array(numbers)
    column = NumberColumn.of("x", "x", values)
    finite = values[np.isfinite(values)]
    assert np.isfinite(column.lows).all() and np.isfinite(column.highs).all()
    assert len(column.lows) <= 2 * BARS
    inside = (finite[:, None] >= column.lows) & (finite[:, None] <= column.highs)
    assert (inside.sum(axis=1) == 1).all()
    everything = np.ones(len(values), bool)
    assert column.counts(everything).tolist() == inside.sum(axis=0).tolist()
    assert column.none(everything) == len(values) - len(finite)
    for low, high, count in zip(column.lows, column.highs, inside.sum(axis=0), strict=True):
        assert np.count_nonzero(column.between(low, high)) == count


@settings(max_examples=50)
@given(NUMBERS, st.booleans())
@example([-MOST, MOST, *map(float, range(30))], False)
def test_every_number_has_a_colour_on_a_finite_scale(numbers, logarithmic):
    values = np.array(numbers)
    for coloring in (
        color_numbers(values, np.zeros((len(values), 2)), "x"),
        by_number(values, logarithmic=logarithmic),
    ):
        json.dumps(coloring.legend, allow_nan=False)
        if coloring.legend["kind"] != "number":
            assert len(np.unique(values[np.isfinite(values)])) <= FEW_NUMBERS
            continue
        shown = np.isfinite(values) & ((values > 0) | (not coloring.legend["logarithmic"]))
        assert ((coloring.codes > 0) == shown).all()
        order = np.argsort(values[shown], kind="stable")
        assert (np.diff(coloring.codes[shown][order].astype(int)) >= 0).all()
        ends = coloring.legend["low"], coloring.legend["high"]
        assert rows_in_range(coloring, *ends).tolist() == np.flatnonzero(shown).tolist()


def test_one_huge_number_takes_no_bar_and_no_colour_from_the_others():
    values = np.append(np.random.default_rng(0).uniform(0, 100, 2000), [1e308, math.inf, math.nan])
    column = NumberColumn.of("x", "x", values)
    counts = column.counts(np.ones(len(values), bool))
    assert len(counts) >= 15 and counts.max() < 200 and counts.sum() == 2001
    coloring = by_number(values)
    assert 95 < coloring.legend["high"] < 100 and coloring.legend["none"] == 2


@pytest.mark.parametrize("far", [1e308, -1e308, -1e6])
def test_some_huge_numbers_take_neither(far):
    values = np.append(np.random.default_rng(0).uniform(0, 100, 1000), np.full(20, far))
    counts = NumberColumn.of("x", "x", values).counts(np.ones(len(values), bool))
    assert len(counts) >= 15 and counts.max() < 200
    codes = by_number(values).codes[:-20]
    assert len(np.unique(codes)) > 200


def test_numbers_over_the_whole_range_are_parted_evenly():
    values = np.linspace(-1, 1, 999) * 1.7e308
    counts = NumberColumn.of("x", "x", values).counts(np.ones(999, bool))
    assert 15 <= len(counts) <= BARS and counts[1:-1].min() > 25 and counts.max() < 100
    codes = by_number(values, low=-1.7e308, high=1.7e308).codes
    assert (codes[0], codes[499], codes[-1]) == (1, 128, 255)
    assert spreads_by_ratio(np.geomspace(1e-300, 1e308, 500))


def test_a_pool_with_such_a_column_is_filtered_and_coloured(tmp_path):
    numbers = ["1e308", "-1e308", "NaN", "Infinity", "1e999", "null", "1" + "0" * 400, "5e-324"]
    lines = [
        f'{{"instruction": "q {n}", "output": "a", "x": {numbers[n] if n < 8 else n}}}'
        for n in range(60)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    init_pool(tmp_path / "project", [tmp_path / "rows.jsonl"])
    facets = Facets(Project.open(tmp_path / "project"))
    (histogram,) = facets.histograms(["x"])
    assert (histogram.total.sum(), histogram.none) == (55, 5)
    json.dumps(histogram.as_dict(), allow_nan=False)
    assert color_rows(facets, "x", np.zeros((60, 2))).legend["none"] == 5


def test_numbers_are_said_in_few_characters():
    for low, high in ((-MOST, MOST), (1e15, 1e16), (5e-324, 1e-9), (1234.0, 99999.0)):
        assert len(told(Between("x", low, high))) <= 24
    assert told(Between("x", 1234.0, 99999.0)) == "1,234 – 99,999"
