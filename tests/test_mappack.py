import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import coloring as coloring_module
from core.coloring import by_category, by_number
from core.column_coloring import by_difference
from core.errors import InputError
from core.mappack import MAGIC, PREAMBLE, Focus, Title, pack, split
from core.mapsections import Places, golden_stride


def read_header(payload):
    length = PREAMBLE.unpack_from(payload)[3]
    return json.loads(payload[PREAMBLE.size : PREAMBLE.size + length])


def world(n=500, k=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    points = rng.normal(size=(k, 2))[labels] * 5 + rng.normal(size=(n, 2)) + [100, -40]
    names = [f"cluster {number}" for number in range(k)]
    return points.astype(np.float32), labels, names


def unpack(payload):
    """What the browser does, restated: rows in their own order again."""
    magic, n, clusters, length = PREAMBLE.unpack_from(payload)
    assert magic == MAGIC
    start = PREAMBLE.size + length
    header = read_header(payload)
    arrays = {}
    for section in header["sections"]:
        first = start + section["offset"]
        raw = payload[first : first + section["bytes"]]
        arrays[section["name"]] = np.frombuffer(raw, "<u2" if section["item"] == 2 else "u1")
    planes = np.unpackbits(arrays["flags"].reshape(2, -1), axis=1, count=n, bitorder="little")
    rows = np.arange(n) * header["stride"] % n
    x0, y0, span = header["frame"]
    xy = np.empty((n, 2))
    xy[rows] = arrays["xy"].reshape(-1, 2) / 65535 * span + [x0, y0]
    group, flags = np.empty(n, int), np.empty(n, int)
    group[rows], flags[rows] = arrays["group"], planes[0] + 2 * planes[1]
    return header, xy, group, flags, arrays["targets"].reshape(-1, 2), clusters


def test_a_map_comes_back_as_it_went():
    points, labels, names = world()
    lit, dropped = labels == 1, labels == 2
    payload = pack(
        points,
        by_category(labels, names, points=points),
        lit=lit,
        dropped=dropped,
        targets=points[:7],
    )
    header, xy, group, flags, targets, _ = unpack(payload)
    span = header["frame"][2]
    np.testing.assert_allclose(xy, points, atol=span / 65535)
    assert (group == labels).all()
    assert (flags == lit + 2 * dropped).all()
    assert len(targets) == 7
    assert (header["lit"], header["dropped"]) == (lit.sum(), dropped.sum())
    coloring = by_category(labels, names, points=points)
    both = unpack(pack(points, coloring, lit=lit, dropped=lit | dropped))[0]
    # Each row counts once in the legend.
    assert (both["lit"], both["dropped"]) == (lit.sum(), dropped.sum())
    assert both["lit"] + both["dropped"] + both["others"] == len(points)


@settings(max_examples=60)
@given(
    codes=st.lists(st.integers(-1, 13), min_size=1, max_size=80),
    marks=st.lists(st.integers(0, 3), min_size=80, max_size=80),
    most=st.sampled_from([3, 4096]),
)
def test_every_row_counts_once_in_the_legend_of_categories(codes, marks, most):
    labels, marks = np.array(codes), np.array(marks[: len(codes)])
    lit, dropped = marks % 2 == 1, marks >= 2
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    names = [f"name {number}" for number in range(14)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coloring_module, "MAX_GROUPS", most)
        coloring = by_category(labels, names, points=points)
    before = json.dumps(coloring.legend)
    header = read_header(pack(points, coloring, lit=lit, dropped=dropped))
    legend, seen = header["legend"], ~(dropped & ~lit)
    for entry in legend["entries"]:
        assert entry["count"] == np.count_nonzero(seen & (labels == names.index(entry["name"])))
    named = sum(entry["count"] for entry in legend["entries"])
    assert legend["none"] >= 0 and legend["other"] >= 0
    assert named + legend["other"] + legend["none"] + header["dropped"] == len(labels)
    assert legend["none"] == np.count_nonzero(seen & (labels < 0))
    # What is dropped moves no entry, and the colours are shared by many maps.
    assert [one["name"] for one in legend["entries"]] == [
        one["name"] for one in coloring.legend["entries"]
    ]
    assert json.dumps(coloring.legend) == before


def test_dropped_rows_count_once_beside_numbers_and_two_runs():
    rng = np.random.default_rng(0)
    points, dropped = rng.normal(size=(60, 2)), np.arange(60) % 3 == 0
    values = np.where(np.arange(60) % 4 == 0, np.nan, rng.random(60))
    header = read_header(pack(points, by_number(values), dropped=dropped))
    assert (header["legend"]["none"], header["dropped"]) == (10, 20)
    runs = by_difference(np.arange(30), np.arange(20, 40), 60)
    header = read_header(pack(points, runs, dropped=dropped))
    said = {one["name"]: one["count"] for one in header["legend"]["entries"]}
    assert said == {"in both": 7, "only first": 13, "only second": 6, "in neither": 14}
    assert sum(said.values()) + header["dropped"] == 60


@pytest.mark.parametrize("k", [5, 300])
def test_at_most_eight_bytes_a_point(k):
    n = 100_000
    rng = np.random.default_rng(0)
    labels = rng.integers(0, k, n)
    points = rng.normal(size=(n, 2))
    payload = pack(points, by_category(labels, [str(i) for i in range(k)], points=points))
    assert len(payload) < 8 * n
    assert (unpack(payload)[2] == labels).all()


def test_ids_follow_content_so_that_only_changes_are_uploaded():
    points, labels, names = world()
    coloring = by_category(labels, names, points=points)

    def ids(**options):
        header = read_header(pack(points, options.pop("coloring", coloring), **options))
        return {section["name"]: section["id"] for section in header["sections"]}

    plain = ids()
    assert ids() == plain
    marked = ids(lit=labels == 1)
    assert {name for name in plain if plain[name] != marked[name]} == {"flags"}
    number = ids(coloring=by_number(points[:, 0]))
    assert {name for name in plain if plain[name] != number[name]} == {"group"}


@given(st.integers(1, 3_000_000))
@settings(max_examples=200)
def test_the_stride_visits_every_row_once(n):
    assert math.gcd(golden_stride(n), n) == 1


def test_any_prefix_is_an_even_sample_of_the_rows():
    n = 10_000
    rows = np.arange(n // 10) * golden_stride(n) % n
    share = np.histogram(rows, bins=20, range=(0, n))[0] / (n / 200)
    assert share.min() > 0.9
    assert share.max() < 1.1


def test_a_title_that_is_nowhere_is_left_out_and_markup_stays_text():
    points, labels, names = world()
    titles = [
        Title("<b>bold</b>", (100.0, -40.0), 9, cluster=4, box=(99.0, -41.0, 101.0, -39.0)),
        Title("empty cluster", (math.nan, math.nan), 0, cluster=2),
    ]
    payload = pack(points, by_category(labels, names, points=points), titles=titles)
    header, *_, clusters = unpack(payload)
    assert [title["text"] for title in header["titles"]] == ["<b>bold</b>"]
    assert clusters == 5
    x0, y0, span = header["frame"]
    np.testing.assert_allclose(
        np.array(header["titles"][0]["at"]) * span + [x0, y0], [100, -40], atol=span * 1e-5
    )


def test_a_coarse_title_names_its_clusters():
    points, labels, names = world()
    fine = Title("fine", (100.0, -40.0), 9, cluster=4)
    coarse = [
        Title("both", (101.0, -41.0), 20, clusters=(1, 4)),
        Title("nowhere", (math.nan, math.nan), 0, clusters=(2,)),
    ]
    coloring = by_category(labels, names, points=points)
    header, *_, clusters = unpack(pack(points, coloring, titles=[fine], coarse=coarse))
    assert [(one["text"], one["clusters"]) for one in header["coarse"]] == [("both", [1, 4])]
    assert "clusters" not in header["titles"][0] and clusters == 5


@pytest.mark.parametrize(
    "broken",
    [
        {"lit": np.zeros(3, bool)},
        {"dropped": np.zeros(501, bool)},
        {"points": np.full((500, 2), np.nan)},
        {"points": np.zeros((0, 2))},
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_sentence(broken):
    points, labels, names = world()
    coloring = by_category(labels, names, points=points)
    with pytest.raises(InputError, match="map"):
        pack(broken.pop("points", points), coloring, **broken)


def test_maps_are_linked_by_a_word_in_the_header():
    points, labels, names = world()
    coloring = by_category(labels, names, points=points)
    assert unpack(pack(points, coloring))[0]["link"] is None
    assert unpack(pack(points, coloring, link="compare"))[0]["link"] == "compare"


@pytest.mark.parametrize("n", [9, 500, 1001])
def test_a_message_is_split_into_its_ground_and_what_changes_on_it(n):
    points, labels, names = world(n)
    coloring = by_category(labels, names, points=points)
    whole, other = (
        pack(points, coloring, lit=labels == one, dropped=labels == 3) for one in (1, 2)
    )
    parts, others = split(whole), split(other)
    places, groups, marks = parts.places, parts.groups, parts.marks
    assert (others.places, others.groups) == (places, groups) and others.marks != marks
    assert (
        len(places) + len(groups) + len(marks) < len(whole) + 900
    )  # the lit rows: two bits a point
    recolored = split(pack(points, by_number(labels), lit=labels == 1))
    assert recolored.places == places and recolored.groups != groups
    for part in (places, groups, marks):
        length = PREAMBLE.unpack_from(part)[3]
        for section in read_header(part)["sections"]:
            (full,) = [s for s in read_header(whole)["sections"] if s["name"] == section["name"]]
            assert section["id"] == full["id"]
            assert (section["offset"] is None) == (
                part is marks and section["name"] in ("xy", "group")
            )
            if section["offset"] is None:
                continue
            start = PREAMBLE.size + length + section["offset"]
            first = PREAMBLE.size + PREAMBLE.unpack_from(whole)[3] + full["offset"]
            assert part[start : start + section["bytes"]] == whole[first : first + section["bytes"]]
            assert start % 8 == 0


def test_what_only_the_page_knows_is_said_when_the_message_is_split():
    points, labels, names = world()
    whole = pack(points, by_category(labels, names, points=points), file="mix")
    plain = read_header(split(whole).marks)
    assert plain["lines"] is False and "focus" not in plain and plain["file"] == "mix"
    assert plain["addressed"] is False
    assert read_header(split(whole, addressed=True).marks)["addressed"] is True
    low, span = points.min(0), np.ptp(points, axis=0).max()
    box = (*points[3], *points[4])
    parts = split(whole, key="left", lines=True, focus=Focus(box, "7"))
    said = read_header(parts.marks)
    assert said["lines"] is True
    assert said["focus"]["id"] == "7"
    unit = [*(points[3] - low) / span, *(points[4] - low) / span]
    np.testing.assert_allclose(said["focus"]["box"], unit, atol=1e-4)
    nowhere = Focus((0, 0, float("nan"), 1), "8")
    assert "focus" not in read_header(split(whole, focus=nowhere).marks)
    # A map's name tells it from one of other points, and from another on the page.
    moved = pack(points + labels[:, None], by_category(labels, names, points=points))
    assert said["name"] == parts.name
    assert len({parts.name, split(whole, key="right").name, split(moved, key="left").name}) == 3


def test_one_point():
    payload = pack(np.zeros((1, 2)), by_number(np.ones(1)))
    assert unpack(payload)[1].tolist() == [[0, 0]]


def test_places_and_colours_that_were_packed_before_give_the_same_message():
    points, labels, names = world(500, 5)
    first, second = by_category(labels, names, points=points), by_number(points[:, 1])
    places = Places(points)
    for coloring in (first, second, first):
        assert pack(places, coloring) == pack(points, replace(coloring))
