"""The command `clusters`, in this process: what it prints, edits and refuses."""

import json

import numpy as np
import pytest

from core import cli, open_project
from core.clusters import load_clusters
from core.project import Project
from core.runs import select


@pytest.fixture
def winnow(mapped_root, capfd):
    def run(*arguments, code=0):
        assert cli.main(["clusters", str(mapped_root), *arguments]) == code
        printed = capfd.readouterr()
        return printed.err if code else printed.out

    return run


def test_clusters_are_listed(winnow, mapped_root):
    project = Project.open(mapped_root)
    made = select(project, method="random", budget=24, name="r")
    listed = json.loads(winnow("--json", "--run", "r", "--quality", "score"))
    assert list(listed) == ["clusters"] and len(listed["clusters"]) == 4
    assert sum(one["rows"] * one["selected"] for one in listed["clusters"]) == pytest.approx(
        made.selected
    )
    assert all(0.1 < one["mean_quality"] < 1 for one in listed["clusters"])
    head, *lines = winnow().splitlines()
    assert head.split()[:3] == ["cluster", "title", "rows"] and "selected" not in head
    assert len(lines) == 4 and load_clusters(project).titles[2] in lines[2]


def test_clusters_are_edited_one_step_at_a_time(winnow, mapped_root):
    first = load_clusters(Project.open(mapped_root))
    assert json.loads(winnow("--json", "--rename", "3=A=b <i>"))["titles"] == ["A=b <i>"]
    report = json.loads(winnow("--json", "--split", "1:3", "--seed", "2"))
    assert report["clusters"] == [1, 4, 5] and sum(report["sizes"]) == 60 and report["k"] == 6
    report = json.loads(winnow("--json", "--merge", "0,4-5", "--title", "Mixed"))
    assert (report["titles"], report["moved"]) == (["Mixed"], {"4": 0, "5": 0})
    assert winnow("--merge", "2,3").splitlines()[1:] == [
        "1 cluster has another number now; list them again.",
        "There are 3 clusters now.",
    ]
    clusters = load_clusters(Project.open(mapped_root))
    assert [edit.action for edit in clusters.edits] == ["rename", "split", "merge", "merge"]
    report = json.loads(winnow("--json", "--undo"))
    assert (report["action"], report["edit"]) == ("undo", "clusters 2, 3 merged")
    assert winnow("--undo").startswith("Undone: clusters 0, 4, 5 merged.\n0: ")
    assert winnow("--undo").startswith("Undone: cluster 1 split into 3.\n1: ")
    assert winnow("--undo").splitlines()[0] == "Undone: cluster 3 renamed to A=b <i>."
    assert load_clusters(Project.open(mapped_root)).titles == first.titles
    assert "no edit that could be undone" in winnow("--undo", code=2)


def test_clustering_again_says_that_edits_stay(winnow, mapped_root, capfd):
    for edits, said in ((1, "1 of earlier stays in use"), (2, "2 of earlier stay in use")):
        winnow("--rename", f"0=Title {edits}")
        assert cli.main(["cluster", str(mapped_root), "--k", "4"]) == 0
        printed = capfd.readouterr().out
        assert said in printed and f"Title {edits}" in printed
    assert cli.main(["cluster", str(mapped_root), "--k", "3"]) == 0
    assert "edits" not in capfd.readouterr().out


def test_a_card_and_groups(winnow):
    card = json.loads(winnow("--json", "--card", "2", "--quality", "score", "--seed", "1"))
    assert card["rows"] == 60 == sum(card["quality"]["counts"])
    groups = json.loads(winnow("--json", "--groups", "3"))["groups"]
    assert sorted(number for one in groups for number in one["clusters"]) == [0, 1, 2, 3]
    assert len(json.loads(winnow("--json", "--groups", "auto"))["groups"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rename", "3"], "--rename: A new title is given as N=TITLE"),
        (["--rename", "9=a"], "--rename: There is no cluster 9"),
        (["--rename", "x=a"], "--rename: 'x' is not a whole number"),
        (["--split", "1:"], "--split: '' is not a whole number"),
        (["--split", "1:1"], "--split: A cluster is split into 2 parts or more"),
        (["--merge", "1"], "--merge: Give at least two"),
        (["--merge", "a,b"], "--merge: 'a' is not a list"),
        (["--card", "4"], "--card: There is no cluster 4"),
        (["--groups", "9"], "--groups: The number of groups"),
        (["--run", "gone"], "gone"),
        (["--quality", "source"], "--quality: "),
        (["--split", "1", "--undo"], "Give one of --split and --undo at a time"),
        (["--undo", "--title", "a"], "--title belongs to --merge"),
        (["--seed", "1"], "--seed belongs to --split and --card"),
    ],
)
def test_what_cannot_be_is_one_sentence(winnow, arguments, message):
    error = winnow(*arguments, code=2)
    assert message in error and error.count("\n") == 1


def test_python_does_the_same(mapped_root):
    space = open_project(mapped_root)
    run = space.select(method="random", budget=12, name="r")
    assert space.rename_cluster(0, "Mine").titles == ("Mine",)
    assert space.split_cluster(1, k=2, seed=1).k == 5
    assert space.merge_clusters([2, 3], title="Both").k == 4
    assert space.clusters.titles[2] == "Both"
    assert space.undo_cluster_edit().k == 5
    stats = space.cluster_stats(run="r")
    assert np.round(stats.rows @ stats.selected) == run.selected
    assert space.cluster_card(0).title == "Mine"
    assert len(space.coarse_groups(3).titles) == 3
