import json
import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.mapevent import MAX_VERTICES, Kind, MapEvent, read_event

LOOP = [[0, 0], [1, 0.5], [0.5, 1]]


def read(**message):
    return read_event({"seq": 7, **message}, rows=100, clusters=5)


def test_each_kind_of_gesture():
    polygon = ((0.0, 0.0), (1.0, 0.5), (0.5, 1.0))
    assert read(kind="lasso", op="add", polygon=LOOP) == MapEvent(7, "lasso", "add", polygon)
    assert read(kind="lasso", polygon=LOOP).op == "replace"
    assert read(kind="box", op="subtract", polygon=[*LOOP, [0, 1]]).kind == "box"
    assert read(kind="row", row=99) == MapEvent(7, "row", row=99)
    assert read(kind="cluster", cluster=0) == MapEvent(7, "cluster", cluster=0)
    assert read(kind="group", clusters=[4, 0, 4]) == MapEvent(7, "group", clusters=(0, 4))
    assert read(kind="hover", row=99) == MapEvent(7, "hover", row=99)
    span = read(kind="range", op="add", low=-2, high=3.5)
    assert span == MapEvent(7, "range", "add", low=-2.0, high=3.5)
    assert read(kind="range", low=4, high=4).op == "replace"
    assert read(kind="clear") == MapEvent(7, "clear")
    assert read(kind="drop") == MapEvent(7, "drop")


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "row", "row": 100},
        {"kind": "row", "row": -1},
        {"kind": "row", "row": True},
        {"kind": "row", "row": 1.0},
        {"kind": "row", "row": "1"},
        {"kind": "row"},
        {"kind": "hover", "row": 100},
        {"kind": "hover"},
        {"kind": "range", "low": 2, "high": 1},
        {"kind": "range", "low": 2},
        {"kind": "range", "low": None, "high": 1},
        {"kind": "range", "low": float("nan"), "high": 1},
        {"kind": "range", "low": 0, "high": float("inf")},
        {"kind": "range", "low": 0, "high": 10**400},
        {"kind": "range", "low": False, "high": True},
        {"kind": "range", "low": "0", "high": "1"},
        {"kind": "range", "low": 0, "high": 1, "op": "xor"},
        {"kind": "cluster", "cluster": 5},
        {"kind": "group"},
        {"kind": "group", "clusters": []},
        {"kind": "group", "clusters": [0, 5]},
        {"kind": "group", "clusters": [0, True]},
        {"kind": "group", "clusters": [[0]]},
        {"kind": "group", "clusters": [0] * 6},
        {"kind": "shred"},
        {"kind": ["lasso"], "polygon": LOOP},
        {"kind": "lasso", "op": "xor", "polygon": LOOP},
        {"kind": "lasso", "op": {"a": 1}, "polygon": LOOP},
        {"kind": "lasso", "polygon": LOOP[:2]},
        {"kind": "lasso", "polygon": [[0, 0, 0]] * 3},
        {"kind": "lasso", "polygon": [[0, float("nan")], [1, 1], [2, 0]]},
        {"kind": "lasso", "polygon": [[0, float("inf")], [1, 1], [2, 0]]},
        {"kind": "lasso", "polygon": [[0, 10**400], [1, 1], [2, 0]]},
        {"kind": "lasso", "polygon": [[0, 1e13], [1, 1], [2, 0]]},
        {"kind": "lasso", "polygon": [[0, None], [1, 1], [2, 0]]},
        {"kind": "lasso", "polygon": [[0, "1"], [1, 1], [2, 0]]},
        {"kind": "lasso", "polygon": [[True, False], [1, 1], [2, 0]]},
        {"kind": "lasso", "polygon": "POLYGON"},
        {"kind": "lasso", "polygon": {"0": [0, 0]}},
        {"kind": "lasso", "polygon": [[0, 0]] * (MAX_VERTICES + 1)},
        {"kind": "lasso"},
        {"kind": "box", "polygon": LOOP},
        {"kind": "clear", "seq": -1},
        {"kind": "clear", "seq": 2**60},
        {"kind": "clear", "seq": None},
        {"kind": "clear", "seq": 1.5},
        {"kind": None},
    ],
)
def test_anything_off_is_ignored(message):
    assert read(**message) is None


def test_a_full_polygon_is_read():
    assert len(read(kind="lasso", polygon=[[i, i % 2] for i in range(MAX_VERTICES)]).polygon) == 256


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=7), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(
    json_values
    | st.fixed_dictionaries(
        {"seq": json_values, "kind": st.sampled_from([*get_args(Kind)])},
        optional={
            "low": json_values,
            "high": json_values,
            "op": json_values,
            "polygon": json_values,
            "row": json_values,
            "cluster": json_values,
        },
    )
)
def test_no_message_raises_and_what_passes_is_within_bounds(message):
    event = read_event(json.loads(json.dumps(message)), rows=10, clusters=3)
    if event is not None:
        assert event.row is None or 0 <= event.row < 10
        assert event.cluster is None or 0 <= event.cluster < 3
        assert -math.inf < event.low <= event.high < math.inf
        assert all(abs(value) <= 1e12 for corner in event.polygon for value in corner)
