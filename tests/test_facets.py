"""Facets and filters against pandas and plain loops."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core
from core.cli import main
from core.clusters import load_clusters
from core.decisions import decide
from core.errors import InputError
from core.facet_columns import BARS, NumberColumn, bars
from core.facets import AnyOf, Between, Facets
from core.map_density import map_density
from core.pool import Pool
from core.project import Project
from core.search import find_histograms, find_rows
from core.view_link import Step, filter_step, step_filter

FLOATS = st.floats(-1e9, 1e9, allow_subnormal=False)


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def frame_of(project):
    pool, clusters = Pool.open(project), load_clusters(project)
    frame = pd.DataFrame(list(pool.original(np.arange(pool.rows))))
    frame["length"] = pool.lengths()
    frame["cluster"] = [clusters.titles[label] for label in clusters.labels]
    return frame


@given(
    st.lists(FLOATS, min_size=1, max_size=300)
    | st.lists(st.integers(-1000, 10**6), min_size=1, max_size=300)
    | st.lists(st.floats(1e-3, 1e9).map(lambda x: x**3), min_size=20, max_size=300)
)
def test_bars_hold_every_number_once(values):
    values = np.array(values, np.float64)
    lows, highs = bars(values)
    assert (lows <= highs).all() and (highs[:-1] < lows[1:]).all()
    assert 1 <= len(lows) <= 2 * BARS
    assert lows[0] == values.min() and highs[-1] == values.max()
    inside = (values[:, None] >= lows) & (values[:, None] <= highs)
    assert (inside.sum(axis=1) == 1).all()
    column = NumberColumn.of("x", "x", values)
    among = np.arange(len(values)) % 3 > 0
    assert column.counts(among).tolist() == inside[among].sum(axis=0).tolist()
    for low, high, count in zip(lows, highs, inside.sum(axis=0), strict=True):
        assert np.count_nonzero(column.between(low, high)) == count


def test_the_last_bar_reaches_the_largest_number():
    lows, highs = bars(np.linspace(0, 1, 301))  # 1 is where a bar could begin, too
    assert highs[-1] == 1 and lows[-1] < 0.97


@pytest.mark.parametrize(
    "values",
    [
        np.r_[np.ones(4990), np.arange(2.0, 22)],
        np.r_[np.zeros(5000), np.arange(20.0) / 7],
        1e15 + np.arange(100.0),
    ],
)
def test_numbers_that_are_nearly_alike_have_bars_too(values):
    column = NumberColumn.of("x", "x", values)
    assert len(column.lows) > 1
    assert column.counts(np.ones(len(values), bool)).sum() == len(values)


def test_numbers_that_are_missing_are_in_no_bar():
    column = NumberColumn.of("x", "x", np.array([1.0, np.nan, 2.5, np.inf]))
    assert column.counts(np.ones(4, bool)).tolist() == [1, 1]
    assert column.none(np.ones(4, bool)) == 2
    assert column.between(-np.inf, np.inf).tolist() == [True, False, True, False]
    assert not len(NumberColumn.of("x", "x", np.full(3, np.nan)).lows)


RULES = st.one_of(
    st.tuples(st.just("length"), st.integers(100, 160), st.integers(0, 40)),
    st.tuples(st.just("score"), st.floats(0, 1), st.floats(0, 1)),
    st.sets(st.sampled_from(["cooking", "astronomy", "python"]), min_size=1),
)


@settings(max_examples=20)
@given(
    rules=st.lists(RULES, min_size=1, max_size=4),
    words=st.sampled_from(["", "garlic", "galaxy 1"]),
    cut=st.integers(0, 240),
)
def test_filters_combine_with_each_other_and_with_words(cached, rules, words, cut):
    project, facets, frame = cached
    filters, wanted = [], np.arange(240) < cut
    for rule in rules:
        if isinstance(rule, set):
            filters.append(AnyOf("source", tuple(sorted(rule))))
            wanted = wanted & frame["source"].isin(rule)
        else:
            column, low, span = rule
            filters.append(Between(column, low, low + span))
            wanted = wanted & frame[column].between(low, low + span)
    if words:
        wanted = wanted & np.isin(frame.index, find_rows(project, words).rows)
    found = find_rows(project, words, filters=filters, among=np.arange(cut), facets=facets)
    assert found.rows.tolist() == np.flatnonzero(wanted).tolist()


@pytest.fixture(scope="module")
def cached(_mapped):
    project = Project.open(_mapped)
    return project, Facets(project), frame_of(project)


def test_a_facet_counts_what_the_other_filters_leave(project):
    decide(project, 240, "drop", np.arange(0, 240, 7), "test")
    frame = frame_of(project)
    frame = frame[frame.index % 7 > 0]
    filters = [Between("length", 110, 130), AnyOf("source", ("cooking", "football"))]
    length, source, cluster = find_histograms(
        project, ["length", "source", "cluster"], filters=filters
    )
    of_source = frame[frame["source"].isin(filters[1].values)]
    of_length = frame[frame["length"].between(110, 130)]
    of_both = of_length[of_length["source"].isin(filters[1].values)]
    for histogram, rows in ((length, of_source), (source, of_length), (cluster, of_both)):
        for place in range(len(histogram.total)):
            for counts, counted in ((histogram.total, frame), (histogram.left, rows)):
                if histogram.names is not None:
                    truth = (counted[histogram.column] == histogram.names[place]).sum()
                else:
                    low, high = histogram.lows[place], histogram.highs[place]
                    truth = counted["length"].between(low, high).sum()
                assert counts[place] == truth
    words = find_histograms(project, ["source"], "galaxy", filters=filters)[0]
    found = find_rows(project, "galaxy", filters=filters[:1]).rows
    assert words.left.sum() == len(found) and words.total.sum() == len(frame)


def test_the_pool_s_own_columns_and_the_original_ones(project):
    facets = Facets(project)
    assert facets.names()[:3] == ["length", "turns", "density"]
    assert "column:source" in facets.names() and "tag" not in facets.names()
    decide(project, 240, "tag", np.arange(9), "test", label="a")
    decide(project, 240, "tag", np.arange(5, 12), "test", label="b")
    facets = Facets(project)
    assert "tag" in facets.names()
    assert facets.column("tag").counts(np.arange(240) > 6).tolist() == [2, 5]
    assert find_rows(project, filters=[AnyOf("tag", ("a", "b"))]).rows.tolist() == list(range(12))
    both = [AnyOf("tag", ("a",)), AnyOf("tag", ("b",))]
    assert find_rows(project, filters=both).rows.tolist() == [5, 6, 7, 8]
    (tags,) = facets.histograms(["tag"], among=np.arange(20))
    assert tags.none == 8 and tags.names == ("a", "b")


def test_columns_that_were_read_are_known(project):
    known = {}
    first = Facets(project, known=known)
    column = first.column("score")
    assert first.ready("score") and not first.ready("length")
    again = Facets(project, known=known)
    assert again.column("score") is column


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (Between("source", 0, 1), "holds no numbers"),
        (Between("length", 5, 1), "must go from"),
        (Between("length", float("nan"), 1), "must go from"),
        (AnyOf("source", ("nowhere",)), "No row has 'nowhere'"),
        (AnyOf("tag", ("x",)), "No row has 'x'"),
        (AnyOf("score", ("high",)), "holds numbers"),
        (AnyOf("nothing", ("x",)), "no column 'nothing'"),
        (AnyOf("instruction", ("x",)), "different values"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(project, rule, sentence, monkeypatch):
    monkeypatch.setattr("core.column_values.MOST_VALUES", 100)
    with pytest.raises(InputError, match=sentence):
        find_rows(project, filters=[rule])


def test_rows_on_the_map_are_denser_where_more_lie():
    rng = np.random.default_rng(0)
    tight, wide = rng.normal(0, 0.05, (500, 2)), rng.uniform(2, 6, (500, 2))
    density = map_density(np.vstack([tight, wide]).astype(np.float32))
    assert density[:500].min() > density[500:].max() / 3
    assert np.median(density[:500]) > 20 * np.median(density[500:])
    assert np.median(density) == pytest.approx(1, rel=0.3)
    assert map_density(np.zeros((3, 2), np.float32)).tolist() == [1, 1, 1]


@settings(max_examples=40)
@given(
    st.builds(Between, st.text(max_size=5), FLOATS, FLOATS)
    | st.builds(AnyOf, st.text(max_size=5), st.lists(st.text(max_size=5)).map(tuple))
)
def test_a_filter_is_the_same_again_behind_a_link(rule):
    assert step_filter(filter_step(rule)) == rule


@pytest.mark.parametrize("step", [("between", "1:x:a"), ("values", "{"), ("values", "[1]")])
def test_a_filter_that_cannot_be_read_is_said(step):
    with pytest.raises(InputError, match="filter in the address"):
        step_filter(Step("replace", *step))


def test_from_the_command_line_and_python(mapped_root, capfd):
    decide(Project.open(mapped_root), 240, "tag", np.arange(30), "test", label="a")
    args = [
        "--json",
        "search",
        str(mapped_root),
        "garlic",
        "--between",
        "score=0.5..",
        "--tag",
        "a",
    ]
    assert main([*args, "--is", "source=cooking", "--histogram", "score"]) == 0
    said = json.loads(capfd.readouterr().out)
    filters = [
        Between("score", 0.5, float("inf")), AnyOf("tag", ("a",)), AnyOf("source", ("cooking",)),
    ]  # fmt: skip
    workspace = core.open_project(mapped_root)
    assert said["rows"] == workspace.search("garlic", filters=filters).rows.tolist()
    (histogram,) = workspace.histograms("score", words="garlic", filters=filters)
    assert said["histograms"] == [histogram.as_dict()]
    assert sum(bar["left"] for bar in said["histograms"][0]["bars"]) == 30
    assert main(["search", str(mapped_root), "--histogram", "source"]) == 0
    assert "cooking" in (out := capfd.readouterr().out) and "60" in out
    for wrong in ("--between=score", "--between=score=a..b", "--is=score"):
        assert main(["search", str(mapped_root), wrong]) == 2
        assert "takes COLUMN=" in capfd.readouterr().err
