from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.lasso import combine, inside


def oracle(points, polygon):
    """Even–odd by exact arithmetic, point by point: count the edges met going right."""
    exact = [(Fraction(float(x)), Fraction(float(y))) for x, y in polygon]
    found = []
    for row, (x, y) in enumerate(points):
        px, py = Fraction(float(x)), Fraction(float(y))
        crossings = 0
        for (x1, y1), (x2, y2) in zip(exact, [*exact[1:], exact[0]], strict=True):
            if (y1 <= py) != (y2 <= py):
                crossings += px < x1 + (py - y1) * (x2 - x1) / (y2 - y1)
        if crossings % 2:
            found.append(row)
    return found


# Whole coordinates, so that points often lie exactly on edges and vertices.
whole = st.integers(-6, 6).map(float)
places = st.tuples(whole, whole)


@settings(max_examples=300)
@given(
    points=st.lists(places, min_size=0, max_size=40),
    polygon=st.lists(places, min_size=3, max_size=12),
)
def test_agrees_with_exact_arithmetic_on_edges_and_vertices_too(points, polygon):
    xy = np.array(points, np.float32).reshape(-1, 2)
    assert inside(xy, np.array(polygon)).tolist() == oracle(points, polygon)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), vertices=st.integers(3, 60))
def test_agrees_with_exact_arithmetic_on_drawn_loops(seed, vertices):
    rng = np.random.default_rng(seed)
    xy = rng.normal(size=(80, 2)).astype(np.float32)
    angle = np.sort(rng.uniform(0, 2 * np.pi, vertices))
    loop = np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0.2, 2, vertices)[:, None]
    assert inside(xy, loop).tolist() == oracle(xy, loop)


def test_a_point_on_a_shared_border_is_in_exactly_one_of_two_polygons():
    border = np.array([[1.0, y] for y in np.linspace(0, 1, 11)[:-1]])
    left = inside(border, np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
    right = inside(border, np.array([[1, 0], [2, 0], [2, 1], [1, 1]]))
    assert not len(left)
    assert right.tolist() == list(range(10))


def test_a_loop_that_crosses_itself_leaves_out_what_it_encloses_twice():
    pentagram = [
        [np.sin(4 * np.pi * corner / 5), np.cos(4 * np.pi * corner / 5)] for corner in range(5)
    ]
    assert inside(np.array([[0.0, 0.0], [0.0, 0.8]]), np.array(pentagram)).tolist() == [1]


@pytest.mark.parametrize(
    "polygon",
    [
        [],
        [[0, 0]],
        [[0, 0], [1, 1]],
        [[0, 0], [1, 1], [2, 2]],
        [[0, 0], [2, 0], [1, 0]],
        [[1, 1], [1, 1], [1, 1]],
    ],
)
def test_a_polygon_without_area_holds_nothing(polygon):
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), -1).reshape(-1, 2)
    assert inside(grid, np.array(polygon, float).reshape(-1, 2)).tolist() == []


def test_points_that_are_not_finite_are_in_no_polygon():
    xy = np.array([[np.nan, 0], [np.inf, 0], [0, 0]], np.float32)
    assert inside(xy, np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])).tolist() == [2]


def test_no_points():
    assert inside(np.zeros((0, 2), np.float32), np.eye(3)[:, :2]).tolist() == []


def test_the_result_is_ascending_rows():
    xy = np.random.default_rng(0).normal(size=(5000, 2))
    rows = inside(xy, np.array([[-1, -1], [1, -1], [0, 1.5]]))
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_combine_is_set_algebra(current, found):
    one, two = np.array(sorted(current), np.int64), np.array(sorted(found, reverse=True), np.int64)
    assert combine(one, two, "replace").tolist() == sorted(found)
    assert combine(one, two, "add").tolist() == sorted(current | found)
    assert combine(one, two, "subtract").tolist() == sorted(current - found)
