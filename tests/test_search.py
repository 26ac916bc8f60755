"""Rows that are looked for, against a plain filter and sorted cosines."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core
from core import ranking
from core.cli import main
from core.cli_search import _places, _range
from core.decisions import decide
from core.encoders.base import Encoded
from core.errors import InputError
from core.features import load_features
from core.pool import Pool
from core.project import Project
from core.ranking import Cut, rank
from core.search import find_rows


class Echo:
    """An encoder that answers with a vector made beforehand."""

    def __init__(self, vector):
        self.vector = vector

    def encode(self, texts, done=None):
        return Encoded(np.repeat(self.vector[None], len(texts), axis=0), 0)


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 70))
def test_the_likest_rows_are_those_of_a_sort(seed, limit):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((60, 5))
    vectors[rng.integers(0, 60, 20)] = vectors[0]  # ties
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    queries = vectors[rng.integers(0, 60, 2)].astype(np.float32)
    rows = np.flatnonzero(rng.random(60) < 0.7)
    truth = (vectors.astype(np.float32) @ queries.T).max(axis=1)
    wanted = sorted(rows.tolist(), key=lambda row: (-truth[row], row))[:limit]
    ranked = rank(vectors, queries, rows)
    found = ranked.rows[: ranked.count(Cut(limit))]
    np.testing.assert_allclose(ranked.cosines[:limit], np.minimum(truth[wanted], 1), atol=1e-6)
    np.testing.assert_allclose(truth[found], truth[wanted], atol=1e-6)
    assert len(set(found.tolist())) == len(found) == min(limit, len(rows))
    for cosine in (*truth[:3].tolist(), -1.0, 0.0, 0.5, 1.0):
        assert ranked.above(cosine) == np.count_nonzero(ranked.cosines >= np.float32(cosine))
        few = np.count_nonzero(ranked.cosines[:limit] >= np.float32(min(cosine, 1)))
        assert ranked.count(Cut(limit, min(cosine, 1.0))) == few
    counts = ranked.counts()
    assert not len(rows) or (min(counts.values()) > 0 and max(counts.values()) == len(rows))
    assert all(rows == ranked.above(cosine) for cosine, rows in counts.items())


def test_parts_change_nothing(project, monkeypatch):
    whole = find_rows(project, like_rows=[3, 70], limit=50)
    monkeypatch.setattr(ranking, "_PART", 7)
    parted = find_rows(project, like_rows=[3, 70], limit=50)
    np.testing.assert_array_equal(whole.rows, parted.rows)


def test_all_that_is_asked_holds_at_once(project):
    pool = Pool.open(project)
    decide(project, pool.rows, "drop", np.arange(0, 10), "test")
    found = find_rows(project, "garlic", where="n_chars > 60", sources=["cooking"])
    page = pool.page(found.rows)
    assert found.cosines is None and len(found.rows)
    assert (page["n_chars"] > 60).all() and set(page["source"]) == {"cooking"}
    assert found.rows.min() >= 10
    every = find_rows(project, "garlic", where="n_chars > 60", sources=["cooking"], dropped=True)
    assert set(every.rows) > set(found.rows)
    like = find_rows(project, "garlic", like_rows=[100], limit=5)
    assert len(like.rows) == 5 and set(like.rows) <= set(find_rows(project, "garlic").rows)
    assert (np.diff(like.cosines) <= 0).all()


def test_rows_like_a_row_are_its_neighbours_without_itself(project):
    vectors = load_features(project).vectors
    found = find_rows(project, like_rows=[61], limit=8)
    order = np.argsort(-(vectors.astype(np.float32) @ vectors[61].astype(np.float32)))
    assert found.rows.tolist() == [row for row in order.tolist() if row != 61][:8]


def test_a_text_is_encoded_as_the_pool_was(project):
    vector = np.asarray(load_features(project).vectors[130], np.float32)
    found = find_rows(project, like="passes and goals", limit=3, encoder=Echo(vector))
    assert found.rows[0] == 130
    with pytest.raises(InputError, match="vectors were imported"):
        find_rows(project, like="passes and goals")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "Nothing to look for"),
        ({"words": "  "}, "Nothing to look for"),
        ({"like": "a", "like_rows": [1]}, "not both"),
        ({"words": "a", "limit": 0}, "at least 1"),
        ({"like_rows": [240]}, "240"),
        ({"like_rows": [1], "min_cosine": 1.5}, "from -1 to 1"),
        ({"words": "a", "min_cosine": 0.5}, "to be like"),
        ({"where": "n_chars >"}, "condition"),
    ],
)
def test_what_cannot_be_is_said(project, asked, sentence):
    with pytest.raises(InputError, match=sentence):
        find_rows(project, **asked)


def test_nothing_found(project):
    assert not len(find_rows(project, "nosuchword").rows)
    assert not len(find_rows(project, "nosuchword", like_rows=[4]).rows)


def test_from_the_command_line_and_python(mapped_root, capfd):
    args = ["--json", "search", str(mapped_root), "garlic", "--like-rows", "5", "--limit", "4"]
    assert main(args) == 0
    said = json.loads(capfd.readouterr().out)
    assert (
        said["rows"]
        == core.open_project(mapped_root).search("garlic", like_rows=[5], limit=4).rows.tolist()
    )
    assert said["total"] == 4 and said["found"][0]["cosine"] >= said["found"][3]["cosine"]
    assert main(["search", str(mapped_root)]) == 2


def test_a_smallest_cosine_gives_all_rows_down_to_it(project, mapped_root, capfd):
    vectors = np.asarray(load_features(project).vectors, np.float32)
    cosines = np.delete(vectors @ vectors[61], 61)
    line = float(np.sort(cosines)[-31])
    found = find_rows(project, like_rows=[61], min_cosine=line)
    assert len(found.rows) == np.count_nonzero(cosines >= line) > 30
    both = find_rows(project, like_rows=[61], min_cosine=line, limit=7)
    assert both.rows.tolist() == found.rows[:7].tolist()
    assert len(find_rows(project, like_rows=[61]).rows) == 200  # as ever
    args = ["search", str(mapped_root), "--like-rows", "61", "--min-cosine", str(line)]
    assert main(["--json", *args, "--limit", "7"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["rows"] == both.rows.tolist() and said["last"]["row"] == both.rows[-1]
    assert said["next"]["row"] == found.rows[7] and said["counts"][-1]["rows"] == 239
    assert all(
        one["rows"] == np.count_nonzero(cosines >= np.float32(one["cosine"]))
        for one in said["counts"]
    )
    assert main(args) == 0
    assert f"Down to cosine {found.cosines[-1]:.4f}, row " in capfd.readouterr().out


def test_likeness_is_ranked_among_the_rows_that_are_asked_for(project):
    among = np.arange(100, 140)
    found = find_rows(project, like_rows=[3], among=among, limit=10)
    assert len(found.rows) == 10 and set(found.rows) <= set(among)
    assert set(find_rows(project, "garlic", among=np.arange(5)).rows) <= set(range(5))


def test_a_source_that_is_not_there_is_refused(project):
    with pytest.raises(InputError, match="no source 'nothing'"):
        find_rows(project, sources=["nothing"])


@pytest.mark.parametrize(
    ("ends", "written"),
    [
        ([(5, 5400), (5401, 27390)], ["5 to 5,400", "5,401 to 27,390"]),
        ([(0.25, 0.29), (0.29, 0.3333333)], ["0.250 to 0.290", "0.290 to 0.333"]),
        ([(0.5, 0.5), (1.5, 1.5)], ["0.5", "1.5"]),
        ([(0.1, 0.3), (0.1 + 0.2, 0.5)], ["0.10 to 0.30", "0.30 to 0.50"]),
        ([(0.29, 0.29)], ["0.290"]),
        ([(-1e300, 1e300)], ["-1e+300 to 1e+300"]),
        ([(0.0, 1e-12), (1e-12, 0.5)], ["0 to 1e-12", "1e-12 to 0.5"]),
    ],
)
def test_the_ends_of_bars_are_plain_numbers_of_as_many_decimals(ends, written):
    places = _places([end for both in ends for end in both])
    assert [_range(*map(float, both), places) for both in ends] == written
