"""Clusters that are renamed, split and merged, against sets of rows kept by hand."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import cluster_edits as module
from core import cluster_log, cluster_stats
from core.cluster_edits import (
    default_title,
    edit_clusters,
    edits_elsewhere,
    merge_clusters,
    rename_cluster,
    split_cluster,
    undo_cluster_edit,
)
from core.cluster_log import ClusterEdit, check_title
from core.clusters import cluster, load_clusters, read_clusters, write_clusters
from core.errors import BusyError, InputError
from core.features import load_features
from core.ingest import init_pool
from core.project import Project
from core.recipe import read_recipe
from core.replay import replay
from core.runs import load_run, select
from core.vectors import import_features

ROWS, K = 90, 6


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edited")
    rng = np.random.default_rng(3)
    words = ["butter", "galaxy", "striker", "mortgage", "violin", "glacier", "tulip", "anchor"]
    lines = [
        json.dumps({"instruction": f"about {' '.join(rng.choice(words, 3))}", "output": str(i)})
        for i in range(ROWS)
    ]
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n")
    np.save(folder / "vectors.npy", rng.normal(size=(ROWS, 8)).astype(np.float32))
    init_pool(folder / "p", [folder / "pool.jsonl"])
    project = Project.open(folder / "p")
    import_features(project, folder / "vectors.npy")
    cluster(project, k=K)
    return project


@pytest.fixture
def project(original, tmp_path):
    shutil.copytree(original.root, tmp_path / "p")
    return Project.open(tmp_path / "p")


def sets(clusters):
    return [set(np.flatnonzero(clusters.labels == n).tolist()) for n in range(len(clusters.sizes))]


def check(clusters, vectors):
    """What holds of any clusters, edited or not."""
    k = len(clusters.sizes)
    assert set(clusters.labels.tolist()) == set(range(k))
    assert clusters.labels.dtype == np.int32 and clusters.centroids.dtype == np.float32
    assert clusters.sizes == np.bincount(clusters.labels).tolist() and sum(clusters.sizes) == ROWS
    for part in (clusters.titles, clusters.keywords, clusters.central, clusters.border):
        assert len(part) == k
    assert len({title.casefold() for title in clusters.titles}) == k
    np.testing.assert_allclose(np.linalg.norm(clusters.centroids, axis=1), 1, atol=1e-5)
    for number, rows in enumerate(sets(clusters)):
        assert set(clusters.central[number]) <= rows and set(clusters.border[number]) <= rows
        cosines = vectors[sorted(rows)] @ clusters.centroids[number]
        assert clusters.cosines[number] == pytest.approx(cosines.mean(), abs=1e-5)
        nearest = vectors[clusters.central[number][0]] @ clusters.centroids[number]
        assert nearest == pytest.approx(cosines.max(), abs=1e-6)


def test_any_edits_keep_a_partition_and_are_taken_back_one_by_one(project):
    original = project
    vectors = load_features(original).vectors
    kind = f"clusters:{original.pointer('features')}"
    first = original.pointer(kind)

    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def run(data):
        original.point(kind, first)
        stages = [load_clusters(original)]
        named = set()
        for step in range(data.draw(st.integers(1, 4))):
            before = stages[-1]
            k = len(before.sizes)
            action = data.draw(st.sampled_from(["rename", "split", "merge"]))
            old = sets(before)
            if action == "rename":
                number = data.draw(st.integers(0, k - 1))
                report = rename_cluster(original, number, f"Title {step}")
                after = load_clusters(original)
                assert sets(after) == old and after.grouping == before.grouping
                kept = {one: one for one in range(k) if one != number}
                named = {n for n in named if n != before.titles[number]} | {f"Title {step}"}
            elif action == "split":
                number = data.draw(st.sampled_from([n for n in range(k) if len(old[n]) > 2]))
                parts = data.draw(st.integers(2, min(4, len(old[number]))))
                report = split_cluster(original, number, parts, seed=step)
                after = load_clusters(original)
                new = sets(after)
                pieces = [new[number], *new[k:]]
                assert len(new) == k + parts - 1 and set().union(*pieces) == old[number]
                assert [len(one) for one in pieces] == sorted(map(len, pieces), reverse=True)
                assert report.clusters == (number, *range(k, k + parts - 1))
                kept = {one: one for one in range(k) if one != number}
                named -= {before.titles[number]}
            else:
                numbers = data.draw(st.sets(st.integers(0, k - 1), min_size=2, max_size=3))
                if len(numbers) == k:
                    continue
                report = merge_clusters(original, sorted(numbers))
                after = load_clusters(original)
                expected = [
                    set().union(*(old[n] for n in numbers)) if one == min(numbers) else rows
                    for one, rows in enumerate(old)
                    if one not in numbers - {min(numbers)}
                ]
                assert sets(after) == expected
                left = [n for n in range(k) if n not in numbers - {min(numbers)}]
                kept = {n: left.index(n) for n in left if n != min(numbers)}
                assert report.moved == {
                    n: to for n in range(k) if (to := kept.get(n, min(numbers))) != n
                }
                named -= {before.titles[n] for n in numbers}
            check(after, vectors)
            if action != "rename":
                assert after.grouping == after.fingerprint
            for n, to in kept.items():
                assert after.titles[to] == before.titles[n]
                assert after.keywords[to] == before.keywords[n]
                np.testing.assert_array_equal(after.centroids[to], before.centroids[n])
            assert named <= set(after.titles)
            for n in report.clusters if action != "rename" else ():
                mean = vectors[after.labels == n].mean(axis=0, dtype=np.float64)
                np.testing.assert_allclose(
                    after.centroids[n], mean / np.linalg.norm(mean), atol=1e-5
                )
            assert (report.fingerprint, report.k) == (after.fingerprint, len(after.sizes))
            assert report.titles == tuple(after.titles[n] for n in report.clusters)
            assert len(after.edits) == len(before.edits) + 1 == report.edits
            assert after.parent == before.fingerprint and after.k == K
            stages.append(after)
        for after, before in zip(stages[:0:-1], stages[-2::-1], strict=True):
            assert original.pointer(kind) == after.fingerprint
            report = undo_cluster_edit(original)
            assert report.fingerprint == before.fingerprint == original.pointer(kind)
            for n, to in report.moved.items():
                rows = after.labels == n
                assert n != to and set(before.labels[rows]) == {to}
        with pytest.raises(InputError, match="no edit that could be undone"):
            undo_cluster_edit(original)

    run()


def test_parts_of_a_split_are_nearer_to_themselves_and_the_same_each_time(project):
    number = int(np.argmax(load_clusters(project).sizes))
    report = split_cluster(project, number, 2, seed=5)
    made = load_clusters(project)
    vectors = load_features(project).vectors
    rows = np.flatnonzero(np.isin(made.labels, report.clusters))
    cosines = vectors[rows] @ made.centroids[list(report.clusters)].T
    nearest = np.array(report.clusters)[cosines.argmax(axis=1)]
    assert (nearest == made.labels[rows]).mean() > 0.8
    undo_cluster_edit(project)
    shutil.rmtree(project.artefact("clusters", report.fingerprint))
    again = split_cluster(project, number, 2, seed=5)
    assert (again.fingerprint, again.titles) == (report.fingerprint, report.titles)
    assert load_clusters(project).labels.tobytes() == made.labels.tobytes()
    undo_cluster_edit(project)
    assert split_cluster(project, number, 2, seed=6).fingerprint != report.fingerprint


def test_merged_clusters_are_called_by_their_parts_the_larger_one_first(project):
    sizes = load_clusters(project).sizes
    small, large = int(np.argmin(sizes)), int(np.argmax(sizes))
    rename_cluster(project, large, "much")
    rename_cluster(project, small, "little")
    named = default_title(load_clusters(project), [small, large])
    assert merge_clusters(project, [small, large]).titles == (named,) == ("much · little",)
    undo_cluster_edit(project)
    rename_cluster(project, next(one for one in range(K) if one not in (small, large)), named)
    assert merge_clusters(project, [small, large]).titles == ("much · little 2",)


def test_border_rows_nearly_belong_elsewhere(project):
    report = merge_clusters(project, [0, 3])
    made = load_clusters(project)
    vectors = load_features(project).vectors
    rows = np.flatnonzero(made.labels == report.clusters[0])
    cosines = vectors[rows] @ made.centroids.T
    lead = cosines[:, 0] - np.delete(cosines, 0, axis=1).max(axis=1)
    assert made.border[0] == rows[np.argsort(lead, kind="stable")[:5]].tolist()


def test_all_merged_to_one_and_one_split_into_single_rows(project):
    assert merge_clusters(project, range(K)).sizes == (ROWS,)
    one = load_clusters(project)
    assert one.sizes == [ROWS] and one.silhouette == 0.0
    report = split_cluster(project, 0, ROWS)
    assert report.sizes == (1,) * ROWS and len(set(report.titles)) == ROWS


def test_copies_are_split_and_opposite_rows_merged(project, monkeypatch):
    features = load_features(project)
    vectors = np.tile(features.vectors[:1], (ROWS, 1))
    vectors[ROWS // 2 :] *= -1
    copies = replace(features, vectors=vectors)
    monkeypatch.setattr(module, "load_features", lambda _: copies)
    assert min(split_cluster(project, 1, 3).sizes) >= 1
    merge_clusters(project, range(K + 2))  # the rows' mean is zero
    np.testing.assert_allclose(load_clusters(project).centroids[0], vectors[0], atol=1e-6)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda p: rename_cluster(p, K, "a"), f"no cluster {K}; the clusters are 0 to {K - 1}"),
        (lambda p: rename_cluster(p, -1, "a"), "whole number of 0 or more"),
        (lambda p: rename_cluster(p, 1, " \t"), "The title is empty"),
        (lambda p: rename_cluster(p, 1, "\u200d"), "The title is empty"),
        (lambda p: rename_cluster(p, 1, "x" * 81), "81 characters; 80 is the most"),
        (lambda p: rename_cluster(p, 1, "a\nb"), "one line"),
        (lambda p: rename_cluster(p, 1, "a\x00b"), r"U\+0000"),
        (lambda p: rename_cluster(p, 1, "a\u202eb"), r"U\+202E"),
        (lambda p: rename_cluster(p, 1, "a\ud800"), r"U\+D800"),
        (lambda p: rename_cluster(p, 1, None), "must be text"),
        (lambda p: split_cluster(p, 9), "no cluster 9"),
        (lambda p: split_cluster(p, 0, 1), "2 parts or more, not 1"),
        (lambda p: split_cluster(p, 0, ROWS), r"Cluster 0 has \d+ rows; it cannot be split"),
        (lambda p: split_cluster(p, 0, 2, seed=-1), "seed must be"),
        (lambda p: merge_clusters(p, [2]), "at least two"),
        (lambda p: merge_clusters(p, [2, 2]), "at least two"),
        (lambda p: merge_clusters(p, []), "at least two"),
        (lambda p: merge_clusters(p, [1, 77]), "no cluster 77"),
        (lambda p: edit_clusters(p, ClusterEdit("paint", (1,))), "Unknown edit .*'paint'"),
        (lambda p: edit_clusters(p, ClusterEdit("rename", (1, 2), title="a")), "Give one"),
        (lambda p: edit_clusters(p, ClusterEdit("merge", (1, 2), parts=3)), "takes no parts"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(project, edit, message):
    before = load_clusters(project)
    with pytest.raises(InputError, match=message) as caught:
        edit(project)
    assert "\n" not in str(caught.value)
    assert load_clusters(project).fingerprint == before.fingerprint
    assert len(list((project.root / "clusters").iterdir())) == 1


def test_a_title_of_another_cluster_is_refused_whatever_its_case(project):
    titles = load_clusters(project).titles
    for title in (titles[2], titles[2].upper(), f" {titles[2]} "):
        with pytest.raises(InputError, match="Cluster 2 has the title"):
            rename_cluster(project, 1, title)
        with pytest.raises(InputError, match="Cluster 2 has the title"):
            merge_clusters(project, [0, 1], title)
    assert merge_clusters(project, [0, 2], titles[2]).titles == (titles[2],)
    assert rename_cluster(project, 1, "<b>*Kochen* 👩‍🍳</b>").titles == ("<b>*Kochen* 👩‍🍳</b>",)
    assert check_title("  a\u0308 ") == "ä"


def test_needs_clusters(project):
    with project.database() as db:
        db.execute("DELETE FROM pointers WHERE kind LIKE 'clusters:%'")
    for edit in (lambda: split_cluster(project, 0), lambda: undo_cluster_edit(project)):
        with pytest.raises(InputError, match="no clusters yet"):
            edit()


@pytest.mark.parametrize("damage", ["gone", "labels.npy", "meta.json", "clusters.parquet"])
def test_clusters_before_the_edit_that_are_damaged(project, damage):
    first = load_clusters(project)
    rename_cluster(project, 0, "Mine")
    folder = project.artefact("clusters", first.fingerprint)
    if damage == "gone":
        shutil.rmtree(folder)
    else:
        (folder / damage).write_bytes(b"\x93NUMPY[")
    with pytest.raises(InputError, match=f"damaged or gone; .* --k {K} --seed 0") as caught:
        undo_cluster_edit(project)
    assert "\n" not in str(caught.value)
    assert load_clusters(project).titles[0] == "Mine"  # still in use, and still to be edited
    assert split_cluster(project, 1).edits == 2
    shutil.rmtree(folder, ignore_errors=True)
    assert cluster(project, k=K).edits == 2  # as the message says
    undo_cluster_edit(project)
    undo_cluster_edit(project)
    assert load_clusters(project).titles == first.titles


def test_an_edit_in_between_that_is_gone(project):
    first = load_clusters(project)
    between = rename_cluster(project, 0, "Mine")
    split_cluster(project, 1)
    shutil.rmtree(project.artefact("clusters", between.fingerprint))
    with pytest.raises(InputError, match="to start from those without edits"):
        undo_cluster_edit(project)
    assert cluster(project, k=K).edits == 0
    assert load_clusters(project).fingerprint == first.fingerprint


@pytest.mark.parametrize("edits", [7, [{"action": "rename"}], [3], [{"clusters": [0]}]])
def test_edits_that_cannot_be_read_are_damage(project, edits):
    made = rename_cluster(project, 0, "Mine")
    path = project.artefact("clusters", made.fingerprint) / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"edits": edits}))
    with pytest.raises(InputError, match="are damaged; delete that folder and run"):
        load_clusters(project)


def test_an_edit_that_another_overtook_is_not_put_in_use(project):
    stale = project.snapshot()
    mine = rename_cluster(project, 0, "Mine")
    with pytest.raises(BusyError, match="changed elsewhere"):
        rename_cluster(stale, 1, "Theirs")
    assert load_clusters(project).fingerprint == mine.fingerprint
    late = project.snapshot()
    undo_cluster_edit(project)
    with pytest.raises(BusyError, match="changed elsewhere"):
        undo_cluster_edit(late)


def test_a_cancelled_edit_leaves_nothing(project, monkeypatch):
    before = load_clusters(project)

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("core.clusters.np.save", stop)
    with pytest.raises(KeyboardInterrupt):
        split_cluster(project, 0)
    monkeypatch.undo()
    assert load_clusters(project).fingerprint == before.fingerprint
    folders = [path.name for path in (project.root / "clusters").iterdir()]
    assert folders == [before.fingerprint]


def test_clusters_of_an_earlier_version_can_be_edited(project):
    first = load_clusters(project)
    folder = project.artefact("clusters", first.fingerprint)
    write_clusters(folder, replace(first, cosines=None))
    assert read_clusters(folder, ROWS).cosines is None
    stats = cluster_stats.cluster_stats(project)
    np.testing.assert_allclose(stats.mean_cosine, first.cosines, atol=1e-6)
    merge_clusters(project, [0, 1])
    assert load_clusters(project).cosines is None


def test_the_log_reads_what_it_wrote():
    edits = [
        ClusterEdit("rename", (3,), title="Mine"),
        ClusterEdit("split", (np.int64(3),), parts=4, seed=1),
        ClusterEdit("merge", (5, 2)),
        ClusterEdit("merge", (2, 5, 2), title="Both"),
    ]
    for edit in edits:
        assert ClusterEdit.read(json.loads(json.dumps(edit.as_dict()))) == edit
    assert [edit.added for edit in edits] == [0, 3, -1, -1]
    assert len(check_title("x" * 80)) == cluster_log.TITLE_CHARS


def test_a_run_of_edited_clusters_is_replayed_with_the_same_rows(mapped_root, tmp_path):
    project = Project.open(mapped_root)
    plain = select(project, method="kmeans-random", budget=40, name="plain")
    assert "edits" not in read_recipe_text(project, "plain")["clusters"]
    split_cluster(project, 1, 3, seed=4)
    merge_clusters(project, [0, 5])
    rename_cluster(project, 2, "Mine: <b>")
    made = select(project, method="kmeans-random", budget=40, name="edited")
    assert made.rows_sha256 != plain.rows_sha256
    recipe = read_recipe(load_run(project, "edited").recipe_path)
    assert recipe["clusters"]["k"] == 4
    assert recipe["clusters"]["edits"] == [
        {"action": "split", "clusters": [1], "parts": 3, "seed": 4},
        {"action": "merge", "clusters": [0, 5]},
        {"action": "rename", "clusters": [2], "title": "Mine: <b>"},
    ]
    again = replay(load_run(project, "edited").recipe_path, out=tmp_path / "again")
    assert again.same and again.rows_sha256 == made.rows_sha256
    mine, theirs = load_clusters(project), load_clusters(Project.open(tmp_path / "again"))
    assert (theirs.titles, theirs.edits) == (mine.titles, mine.edits)
    assert theirs.labels.tobytes() == mine.labels.tobytes()
    assert replay(load_run(project, "plain").recipe_path).same


def read_recipe_text(project, run):
    import yaml

    return yaml.safe_load(load_run(project, run).recipe_path.read_text())


def test_a_recipe_with_an_edit_that_cannot_be_repeated_says_which(mapped_root, tmp_path):
    import yaml

    project = Project.open(mapped_root)
    select(project, method="kmeans-random", budget=9, name="r")
    recipe = read_recipe_text(project, "r")
    recipe["clusters"]["edits"] = [
        {"action": "merge", "clusters": [0, 1]},
        {"action": "merge", "clusters": [0, 3]},
    ]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(InputError, match=r"clusters.edits\[1\] .* cannot be repeated: There is no"):
        replay(tmp_path / "recipe.yaml")


def test_clustering_again_alike_keeps_the_edits(project):
    plain = cluster(project, k=K)
    assert plain.edits == 0 and plain.fingerprint == load_clusters(project).fingerprint
    rename_cluster(project, 0, "Mine")
    edited = split_cluster(project, 1)
    again = cluster(project, k=K)
    assert (again.edits, again.fingerprint, again.k) == (2, edited.fingerprint, K + 1)
    assert again.titles[0] == "Mine" and load_clusters(project).fingerprint == edited.fingerprint
    undo_cluster_edit(project)
    undo_cluster_edit(project)
    assert cluster(project, k=K).edits == 0
    assert load_clusters(project).fingerprint == plain.fingerprint


def test_edits_are_found_again_after_other_clusters(project):
    edited = rename_cluster(project, 0, "Mine")
    other = cluster(project, k=K - 2)
    assert other.edits == 0 and other.k == K - 2
    merge_clusters(project, [0, 1])
    assert cluster(project, k=K).fingerprint == edited.fingerprint
    back = cluster(project, k=K - 2)
    assert (back.edits, back.k) == (1, K - 3)
    undo_cluster_edit(project)
    cluster(project, k=K, seed=1)
    # What was taken back stays so.
    assert cluster(project, k=K - 2).fingerprint == other.fingerprint


def test_edits_stay_with_the_features_of_their_clusters(project, tmp_path):
    rename_cluster(project, 0, "Mine")
    split_cluster(project, 1)
    assert edits_elsewhere(project) == 0
    first = project.pointer("features")
    np.save(tmp_path / "other.npy", load_features(project).vectors[:, ::-1].copy())
    import_features(project, tmp_path / "other.npy")
    assert edits_elsewhere(project) == 2
    cluster(project, k=K)
    merge_clusters(project, [0, 1])
    assert edits_elsewhere(project) == 2
    project.point("features", first)
    assert edits_elsewhere(project) == 1
    shutil.rmtree(project.root / "clusters")
    assert edits_elsewhere(project) == 0


def test_an_edit_while_clustering_again_is_not_lost(project, monkeypatch):
    first = rename_cluster(project, 0, "Mine")
    repoint, calls = Project.repoint, []

    def meanwhile(self, kind, before, value):
        if not calls:
            calls.append(before)
            project.point(kind, load_clusters(project).parent)
        return repoint(self, kind, before, value)

    monkeypatch.setattr(Project, "repoint", meanwhile)
    assert cluster(project, k=K - 1).k == K - 1
    monkeypatch.undo()
    assert calls == [first.fingerprint]
    assert cluster(project, k=K).edits == 0  # the edit was taken back before


@pytest.mark.parametrize(
    "damage",
    [
        lambda made: replace(made, labels=made.labels[:-1]),
        lambda made: replace(made, labels=made.labels[:, None]),
        lambda made: replace(made, labels=made.labels.astype(np.float32)),
        lambda made: replace(made, labels=np.where(made.labels == 1, -1, made.labels)),
        lambda made: replace(made, labels=np.where(made.labels == 1, K, made.labels)),
        lambda made: replace(made, labels=np.append(made.labels, 0).astype(np.int32)),
        lambda made: replace(made, centroids=made.centroids[:-1]),
        lambda made: replace(made, central=[[ROWS], *made.central[1:]]),
        lambda made: replace(made, border=[[-1], *made.border[1:]]),
        # Whole in itself, but of another pool.
        lambda made: replace(
            made,
            labels=np.append(made.labels, 0).astype(np.int32),
            sizes=[made.sizes[0] + 1, *made.sizes[1:]],
        ),
    ],
)
def test_clusters_that_do_not_fit_the_rows_are_damage(project, damage):
    made = load_clusters(project)
    write_clusters(project.artefact("clusters", made.fingerprint), damage(made))
    with pytest.raises(InputError, match="are damaged; delete that folder and run") as caught:
        load_clusters(project)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="damaged"):
        cluster(project, k=K)
