"""Selections as text: written, read, and selected again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clusters import load_clusters
from core.decisions import decide
from core.errors import InputError
from core.lasso import inside
from core.layout import load_layout
from core.mapplaces import display_points
from core.project import Project
from core.ranking import Cut
from core.search import find_rows
from core.view_link import (
    LONGEST,
    RANKED,
    Step,
    pack_polygon,
    read_steps,
    selected_rows,
    unpack_polygon,
    write_steps,
)

CUTS = st.builds(Cut.of, st.none() | st.integers(1, 10**6), st.none() | st.floats(-1, 1))
OPS = st.sampled_from(["replace", "add", "subtract", "within"])
TEXTS = st.tuples(
    st.sampled_from(["words", "meaning", "condition"]), st.text("ab ä=+*~%2'\"", min_size=1)
)
ROWS = st.tuples(
    st.sampled_from(["rows", "like"]), st.lists(st.integers(0, 99), min_size=1).map(str)
)


@given(
    st.lists(
        st.builds(
            lambda op, by, cut: Step(op, *by, *([cut] if by[0] in RANKED else [])),
            OPS,
            TEXTS | ROWS,
            CUTS,
        ),
        min_size=1,
        max_size=20,
    )
)
def test_steps_are_read_as_they_were_written(steps):
    text = write_steps(steps)
    if text is None:
        assert sum(len(step.value) for step in steps) > LONGEST / 4
    else:
        assert read_steps(text) == tuple(steps)


@given(st.text(max_size=30))
def test_any_other_text_is_refused_or_read(text):
    try:
        steps = read_steps(text)
    except InputError:
        return
    assert read_steps(write_steps(steps)) == steps


def test_a_polygon_is_the_same_again_and_near_what_was_drawn():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 2)).astype(np.float32)
    corners = points[:40].astype(np.float64)
    text = pack_polygon(corners, points)
    once = unpack_polygon(text, points)
    assert pack_polygon(once, points) == text
    assert np.abs(once - corners).max() < np.ptp(points) / 65_535


def test_a_lasso_beyond_the_points_selects_what_was_drawn():
    points = np.random.default_rng(0).random((2000, 2)).astype(np.float32)
    for corners in ([(-0.5, -0.2), (1.5, -0.2), (0.5, 1.2)], [(-1, -1), (2, -1), (2, 2), (-1, 2)]):
        drawn = np.array(corners) * 0.99 + 0.005
        text = pack_polygon(drawn, points)
        found = inside(points, unpack_polygon(text, points))
        assert found.tolist() == inside(points, drawn).tolist()
    assert pack_polygon(np.array([(0, 0), (9, 0), (0, 9)]), points) is None


@pytest.fixture
def scene(mapped_root):
    project = Project.open(mapped_root)
    return project, display_points(load_layout(project)), load_clusters(project)


def test_steps_select_what_they_say(scene):
    project, points, clusters = scene
    name = clusters.grouping
    lasso = pack_polygon(np.array([[0, 0], [2, 0], [2, 2], [0, 2]]), points)
    steps = [
        Step("replace", "clusters", f"{name}:1,2"),
        Step("add", "rows", "0,5"),
        Step("within", "condition", "row % 2 = 0"),
        Step("within", "lasso", lasso),
        Step("subtract", "words", "galaxy"),
        Step("add", "like", "100"),
        Step("subtract", "like", "101", Cut(5, 0.2)),
    ]
    wanted = set(np.flatnonzero(np.isin(clusters.labels, [1, 2])).tolist()) | {0, 5}
    wanted = {row for row in wanted if row % 2 == 0}
    wanted &= set(inside(points, unpack_polygon(lasso, points)).tolist())
    wanted -= set(find_rows(project, "galaxy").rows.tolist())
    wanted |= {100, *find_rows(project, like_rows=[100]).rows.tolist()}
    wanted -= {101, *find_rows(project, like_rows=[101], limit=5, min_cosine=0.2).rows.tolist()}
    steps = read_steps(write_steps(steps))
    assert selected_rows(project, steps, points, clusters).tolist() == sorted(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=x3",
        "3",
        "=r",
        "=r-1",
        "=r1,,2",
        "=r240",
        "=r999999999999999",
        "=k240",
        "=K0::1",
        "=K5:2:1",
        "=K5:1",
        "=K::",
        "=W5::galaxy",
        "=l",
        "=lAAAA",
        "=l*$%",
        "=l" + "A" * 3000,
        "=cother:1",
        "=e",
        "=e0",
        "=e7",
        "=qn_chars >",
        "=r" + "1," * LONGEST + "1",
        "~".join(["+r1"] * 21),
    ],
)
def test_what_cannot_be_read_is_said(scene, text):
    project, points, clusters = scene
    with pytest.raises(InputError):
        selected_rows(project, read_steps(text), points, clusters)


def test_a_cluster_that_is_not_there(scene):
    project, points, clusters = scene
    with pytest.raises(InputError, match="does not have"):
        steps = [Step("replace", "clusters", f"{clusters.grouping}:4")]
        selected_rows(project, steps, points, clusters)


def test_steps_select_dropped_rows(scene):
    project, points, clusters = scene
    decide(project, 240, "drop", np.arange(55, 70), "test")
    decide(project, 240, "drop", np.arange(100, 110), "test")
    decide(project, 240, "restore", np.arange(55, 58), "test")
    around = np.array([(-0.5, -0.5), (1.5, -0.5), (1.5, 1.5), (-0.5, 1.5)])
    everywhere = pack_polygon(points.min(0) + around * np.ptp(points), points)

    def rows(*steps, dropped=True):
        text = write_steps([Step(*step) for step in steps])
        return selected_rows(project, read_steps(text), points, clusters, dropped=dropped).tolist()

    gone = [*range(58, 70), *range(100, 110)]
    assert rows(("replace", "lasso", everywhere)) == gone
    assert rows(("replace", "condition", "row >= 0")) == gone
    assert rows(("replace", "entry", "1")) == gone[:12]
    assert rows(("replace", "entry", "1"), dropped=False) == [55, 56, 57]
    words = set(find_rows(project, "galaxy", dropped=True).rows.tolist()) & set(gone)
    assert rows(("replace", "words", "galaxy")) == sorted(words) != []
    near = rows(("replace", "lasso", everywhere), ("within", "like", "101"))
    assert near == gone  # fewer than likeness gives, and no kept row among them
    kept = rows(("replace", "lasso", everywhere), dropped=False)
    assert kept == sorted(set(range(240)) - set(gone))


def test_too_much_for_an_address_is_not_written():
    assert write_steps([Step("replace", "words", "x" * LONGEST)]) is None
