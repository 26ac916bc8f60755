import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import palette
from core.column_coloring import (
    FEW_NUMBERS,
    MOST_CATEGORIES,
    by_decision,
    by_difference,
    by_tags,
    color_categories,
    color_numbers,
    color_rows,
)
from core.decision_state import Tags
from core.errors import InputError
from core.facets import Facets
from core.ingest import init_pool
from core.project import Project

ROWS = 120


@pytest.fixture(scope="module")
def facets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    path = folder / "rows.jsonl"
    with path.open("w") as file:
        for i in range(ROWS):
            row = {
                "instruction": f"Question {i}",
                "output": f"Answer {i}",
                "source": "abc"[i % 3],
                "grade": [1, 2, 3, None][i % 4],
                "score": None if i == 5 else i / 7,
                "reward": math.exp(i / 10),
                "huge": 10**400 if i == 3 else i,
                "checked": [True, False, None][i % 3],
                "mixed": [1, True, "1", None, [1]][i % 5],
                "topic": f"topic {i % 60}",
                "nothing": None,
            }
            file.write(json.dumps(row) + "\n")
    project = Project.create(folder / "project")
    init_pool(project.root, [path])
    return Facets(project)


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(ROWS, 2))


def legend(coloring):
    return {entry["name"]: entry["count"] for entry in coloring.legend["entries"]}


def test_text_and_yes_and_no_are_categories(facets, points):
    source = color_rows(facets, "source", points)
    assert legend(source) == {"a": 40, "b": 40, "c": 40}
    checked = color_rows(facets, "checked", points)
    assert legend(checked) == {"true": 40, "false": 40}
    assert checked.legend["none"] == 40
    names = np.array([*checked.names, "none"])[checked.codes]
    assert names[:3].tolist() == ["true", "false", "none"]


def test_values_of_several_kinds_are_told_apart_by_their_text(facets, points):
    mixed = color_rows(facets, "mixed", points)
    assert legend(mixed) == {"1": 48, "true": 24, "[1]": 24}
    assert mixed.legend["none"] == 24


def test_few_numbers_are_categories_and_many_a_scale(facets, points):
    grade = color_rows(facets, "grade", points)
    assert legend(grade) == {"1": 30, "2": 30, "3": 30}
    assert grade.legend["none"] == 30
    score = color_rows(facets, "score", points)
    assert (score.legend["kind"], score.legend["none"]) == ("number", 1)
    assert (score.legend["label"], score.legend["logarithmic"]) == ("score", False)
    assert score.codes[5] == 0
    assert (np.diff(np.delete(score.codes, 5).astype(int)) >= 0).all()
    reward = color_rows(facets, "reward", points)
    assert (reward.legend["label"], reward.legend["logarithmic"]) == ("reward, log scale", True)
    huge = color_rows(facets, "huge", points)
    assert (huge.legend["none"], huge.codes[3]) == (1, 0)
    assert color_rows(facets, "length", points).legend["label"].startswith("Length")


def test_of_many_categories_the_largest_have_names(facets, points):
    topic = color_rows(facets, "topic", points)
    assert len(topic.names) == MOST_CATEGORIES + 1
    assert topic.names[-1] == f"{60 - MOST_CATEGORIES} other values"
    assert legend(topic)[topic.names[-1]] == 2 * (60 - MOST_CATEGORIES)
    hue = topic.light[-2].astype(int)
    assert np.ptp(hue) < 30  # a grey, and not the one of rows without a value
    assert (hue != topic.light[-1]).any()


def test_a_column_without_a_value_is_grey(facets, points):
    nothing = color_rows(facets, "nothing", points)
    assert nothing.legend["none"] == ROWS
    assert len(set(nothing.codes.tolist())) == 1


def test_too_many_texts_are_refused(tmp_path, points):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"text": "a text {i}", "own": "{i}"}}\n' for i in range(1001)))
    project = Project.create(tmp_path / "project")
    init_pool(project.root, [path])
    with pytest.raises(InputError, match="1,001 different values") as raised:
        color_rows(Facets(project), "own", points)
    assert raised.value.args[0].count(". ") == 0


def test_what_the_pool_itself_knows_is_a_column_too(facets, points):
    alike = color_rows(facets, "duplicate", points)
    assert legend(alike) == {"no": ROWS, "yes": 0}
    assert alike.light[0].tolist() == palette.to_rgb([palette.NEUTRAL["light"]])[0].tolist()
    assert color_rows(facets, "turns", points).legend["label"] == "Turns"


def test_no_such_column_is_refused_by_name(facets, points):
    with pytest.raises(InputError, match="nonesuch"):
        color_rows(facets, "nonesuch", points)


@given(
    st.lists(st.integers(-1, 45), min_size=1, max_size=200),
    st.integers(46, 60),
)
def test_every_row_counts_once_in_the_legend(codes, groups):
    points = np.random.default_rng(0).normal(size=(len(codes), 2))
    names = [f"name {i}" for i in range(groups)]
    coloring = color_categories(np.array(codes), names, points, "x")
    said = coloring.legend
    assert sum(legend(coloring).values()) + said["other"] + said["none"] == len(codes)
    # Rows of one category have one code, and named ones keep their name.
    shown = [*coloring.names, None]
    for code, group in zip(codes, coloring.codes.tolist(), strict=True):
        allowed = {names[code], coloring.names[-1]} if code >= 0 else {None}
        assert shown[group] in allowed


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=99))
def test_no_number_breaks_a_scale(values):
    points = np.zeros((len(values), 2))
    coloring = color_numbers(np.array(values), points, "x")
    finite = np.isfinite(values)
    assert coloring.legend["none"] == (~finite).sum()
    if len(set(np.array(values)[finite].tolist())) > FEW_NUMBERS:
        assert coloring.legend["kind"] == "number"
        assert (coloring.codes[finite] > 0).all()


def test_decisions_have_colours_that_do_not_move():
    dropped = np.array([False, True, False, True])
    both = by_decision(dropped, np.array([False, False, True, False]))
    assert legend(both) == {"kept, not pinned": 1, "dropped": 2, "pinned": 1}
    assert both.codes.tolist() == [0, 1, 2, 1]
    alone = by_decision(dropped, np.zeros(4, bool))
    assert legend(alone) == {"kept": 2, "dropped": 2}
    assert (alone.light == both.light[:2]).all()


def test_two_runs_differ_where_one_alone_took_a_row():
    coloring = by_difference(np.array([0, 1, 2]), np.array([2, 3]), 6, ("A", "B"))
    assert legend(coloring) == {"in both": 1, "only A": 2, "only B": 1, "in neither": 2}
    assert coloring.codes.tolist() == [1, 1, 0, 2, 3, 3]
    none = np.zeros(0, np.int64)
    assert legend(by_difference(none, none, 2))["in neither"] == 2
    with pytest.raises(InputError, match="another pool"):
        by_difference(np.array([0]), np.array([6]), 6)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fixed_colours_differ_for_every_kind_of_vision(theme):
    runs = getattr(by_difference(np.array([0]), np.array([1]), 3), theme)
    decisions = getattr(by_decision(np.array([True, False]), np.array([False, True])), theme)
    for colors in (runs, decisions):
        apart = palette.separation(colors)[np.triu_indices(len(colors), 1)]
        assert apart.min() > 0.1


@settings(max_examples=40)
@given(st.lists(st.sets(st.sampled_from("abc")), min_size=1, max_size=40))
def test_tags_are_coloured_by_the_set_of_them(rows):
    masks = {label: np.array([label in row for row in rows]) for label in "cab"}
    tags = Tags({label: np.packbits(mask) for label, mask in masks.items()}, len(rows))
    coloring = by_tags(tags, np.random.default_rng(0).normal(size=(len(rows), 2)))
    shown = [(*coloring.names, None)[code] for code in coloring.codes.tolist()]
    assert shown == [" + ".join(sorted(row)) or None for row in rows]
    assert coloring.legend["none"] == sum(not row for row in rows)
