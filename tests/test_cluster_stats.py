"""Statistics of clusters, and the card of one, against loops over the rows."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import planted_rows, planted_vectors

from core.cluster_stats import (
    cluster_card,
    cluster_stats,
    histogram,
    length_edges,
    mean_cosines,
    measure_clusters,
    medians,
    quality_edges,
)
from core.clusters import Clusters, load_clusters
from core.decisions import decide
from core.errors import InputError
from core.pool import Categories
from core.project import Project


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def test_every_cluster_is_described(project):
    decide(project, 240, "drop", np.arange(30), "test")
    decide(project, 240, "pin", np.array([100, 239]), "test")
    clusters, rows = load_clusters(project), planted_rows()
    found = cluster_stats(project, quality="score", selected=np.arange(90, 150)).as_dicts()
    for number, line in enumerate(found):
        mine = np.flatnonzero(clusters.labels == number).tolist()
        assert (line["cluster"], line["title"]) == (number, clusters.titles[number])
        assert (line["rows"], line["kept"]) == (len(mine), sum(i >= 30 for i in mine))
        assert line["pinned"] == sum(i in (100, 239) for i in mine)
        assert line["selected"] == pytest.approx(np.mean([90 <= i < 150 for i in mine]))
        assert line["mean_quality"] == pytest.approx(np.mean([rows[i]["score"] for i in mine]))
        assert line["duplicates"] == 0
        cosines = planted_vectors()[mine] @ clusters.centroids[number]
        assert line["mean_cosine"] == pytest.approx(cosines.mean(), abs=1e-5)
        (source, share), *rest = line["sources"].items()
        assert (source, share, rest) == (rows[mine[0]]["source"], 1.0, [])
    plain = cluster_stats(project)
    assert plain.mean_quality is None and plain.as_dicts()[0]["selected"] is None
    with pytest.raises(InputError, match="no cluster 4"):
        plain.sources(4)


@settings(max_examples=40)
@given(st.data())
def test_arrays_give_what_a_loop_gives(data):
    k, n = data.draw(st.integers(1, 5)), data.draw(st.integers(5, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    labels = np.r_[np.arange(k), rng.integers(0, k, n - k)].astype(np.int32)
    lengths = rng.integers(0, 2**31 - 1, n).astype(np.int32)
    dropped, pinned, copies = rng.random((3, n)) < 0.4
    quality = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    selected = np.flatnonzero(rng.random(n) < 0.5)
    codes = rng.integers(0, 3, n).astype(np.int32)
    empty = [[] for _ in range(k)]
    clusters = Clusters(
        "f", labels, np.eye(k, dtype=np.float32), ["t"] * k, empty, [0] * k, empty, empty, 0, 0.0
    )
    found = measure_clusters(
        clusters,
        dropped=dropped,
        pinned=pinned,
        lengths=lengths,
        duplicates=copies,
        cosines=np.zeros(k),
        sources=Categories(codes, ["a", "b", "c"]),
        quality=quality,
        selected=selected,
    )
    for number in range(k):
        mine = [row for row in range(n) if labels[row] == number]
        assert found.rows[number] == len(mine)
        assert found.kept[number] == sum(not dropped[row] for row in mine)
        assert found.pinned[number] == sum(bool(pinned[row]) for row in mine)
        assert found.median_length[number] == statistics.median(int(lengths[r]) for r in mine)
        known = [quality[row] for row in mine if not np.isnan(quality[row])]
        if known:
            assert found.mean_quality[number] == pytest.approx(statistics.fmean(known))
        else:
            assert np.isnan(found.mean_quality[number])
            assert found.as_dicts()[number]["mean_quality"] is None
        assert found.duplicates[number] == pytest.approx(np.mean([copies[r] for r in mine]))
        chosen = [row in set(selected.tolist()) for row in mine]
        assert found.selected[number] == pytest.approx(np.mean(chosen))
        sources = found.sources(number)
        assert sum(sources.values()) == pytest.approx(1)
        assert list(sources.values()) == sorted(sources.values(), reverse=True)
        for code, name in enumerate("abc"):
            share = np.mean([codes[row] == code for row in mine])
            assert sources.get(name, 0) == pytest.approx(share)


def test_a_label_without_rows_has_no_median():
    found = medians(np.array([2, 0, 2], np.int32), np.array([5, 7, 8]), 4)
    np.testing.assert_array_equal(found, [7, np.nan, 6.5, np.nan])


def test_cosines_of_half_precision_vectors_are_read_in_blocks(monkeypatch):
    monkeypatch.setattr("core.cluster_stats._BLOCK", 7)
    vectors = planted_vectors().astype(np.float16)
    labels = np.repeat(np.arange(4, dtype=np.int32), 60)
    centroids = planted_vectors()[::60].copy()
    expected = [(vectors[labels == n].astype(float) @ centroids[n]).mean() for n in range(4)]
    np.testing.assert_allclose(mean_cosines(vectors, labels, centroids), expected, atol=1e-5)


def test_a_card(project):
    clusters, rows = load_clusters(project), planted_rows()
    cards = [cluster_card(project, number, quality="score", seed=3) for number in range(4)]
    for number, card in enumerate(cards):
        mine = np.flatnonzero(clusters.labels == number)
        assert (card.cluster, card.title) == (number, clusters.titles[number])
        assert card.rows == len(mine) == card.lengths.counts.sum() == card.quality.counts.sum()
        assert card.sources == {rows[mine[0]]["source"]: 1.0}
        assert (card.central, card.border) == (clusters.central[number], clusters.border[number])
        assert set(card.random) <= set(mine.tolist()) and len(set(card.random)) == 5
        cosines = {n: clusters.centroids[n] @ clusters.centroids[number] for n in range(4)}
        order = sorted((n for n in range(4) if n != number), key=lambda n: -cosines[n])
        assert [one.cluster for one in card.nearest] == order
        found = [one.cosine for one in card.nearest]
        assert found == pytest.approx([cosines[n] for n in order], abs=1e-6)  # float32
        assert card.nearest[0].title == clusters.titles[order[0]]
        scores = [rows[i]["score"] for i in mine]
        for at, (low, high) in enumerate(
            zip(card.quality.edges[:-1], card.quality.edges[1:], strict=True)
        ):
            last = at == len(card.quality.counts) - 1
            inside = sum(low <= s < high or (last and s == high) for s in scores)
            assert card.quality.counts[at] == inside
    for card in cards[1:]:  # on one scale
        np.testing.assert_array_equal(card.lengths.edges, cards[0].lengths.edges)
        np.testing.assert_array_equal(card.quality.edges, cards[0].quality.edges)
    assert cluster_card(project, 0, seed=3).random == cards[0].random
    assert cluster_card(project, 0, seed=4).random != cards[0].random
    assert cluster_card(project, 0).quality is None


@pytest.mark.parametrize(
    "lengths", [[0], [0, 0], [1], [7, 7, 7], [0, 3], [5, 6], [1, 10, 100, 10**6], range(5000)]
)
def test_edges_of_lengths_hold_all_of_them(lengths):
    values = np.array(lengths, np.int32)
    edges = length_edges(values)
    assert (np.diff(edges) > 0).all() and 2 <= len(edges) <= 25
    assert histogram(values, edges).counts.sum() == len(values)


@pytest.mark.parametrize("scores", [[1.0], [2.0, np.nan, 2.0], [np.nan], [-1.0, 0.5, 9.0, np.inf]])
def test_edges_of_quality_hold_all_that_is_finite(scores):
    values = np.array(scores)
    edges = quality_edges(values)
    assert (np.diff(edges) > 0).all() and len(edges) == 25
    assert histogram(values, edges).counts.sum() == np.isfinite(values).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": "nothing"}, "no column 'nothing'"),
        ({"quality": "heuristic:magic"}, "no heuristic 'magic'"),
        ({"quality": np.ones(3)}, r"each of the 240 rows, not float64 of shape \(3,\)"),
        ({"quality": np.array(["a"] * 240)}, "must be a number for each"),
        ({"selected": [240]}, "no row 240"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(project, options, message):
    with pytest.raises(InputError, match=message):
        cluster_stats(project, **options)


def test_a_card_of_no_cluster(project):
    with pytest.raises(InputError, match="no cluster 4; the clusters are 0 to 3"):
        cluster_card(project, 4)
    with pytest.raises(InputError, match="seed must be"):
        cluster_card(project, 0, seed=-1)


def test_duplicates_are_those_after_the_first(tmp_path):
    import json

    from core import create_project

    lines = [json.dumps({"instruction": t, "output": "x"}) for t in ("a", "b", "a", " a ", "c")]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines) + "\n")
    np.save(tmp_path / "v.npy", np.eye(5, dtype=np.float32))
    space = create_project(tmp_path / "p", tmp_path / "pool.jsonl")
    space.embed(features=str(tmp_path / "v.npy"))
    space.cluster(k=1)
    assert space.cluster_stats(quality=np.array([1, 2, 3, 4, 5])).as_dicts()[0] | {"title": ""} == {
        "cluster": 0,
        "title": "",
        "rows": 5,
        "kept": 5,
        "pinned": 0,
        "median_length": space.cluster_stats().median_length[0],
        "mean_quality": 3.0,
        "duplicates": 0.4,
        "mean_cosine": pytest.approx(5**-0.5, abs=1e-3),
        "selected": None,
        "sources": {"pool": 1.0},
    }
