"""Constraints in a project: Python, recipes and their replay, the command line, plain arrays."""

import json

import numpy as np
import pytest
import yaml
from planted import planted_rows

from core.cli_select import RULE_OPTIONS
from core.clusters import load_clusters
from core.errors import InputError
from core.features import load_features
from core.project import Project
from core.recipe import read_recipe
from core.replay import replay
from core.runs import list_runs, load_run, select
from core.selection import RULES, select_arrays
from core.stages import run_stage

LIMITS = ["source:cooking=..3", "cluster=2.."]


def test_limits_and_cap_are_obeyed_recorded_and_replayed(mapped_root):
    project = Project.open(mapped_root)
    bounds = {"limits": LIMITS, "max_cosine": 0.95, "semdedup": 0.97}
    made = select(
        project, method="mean-similarity", budget=20, target="cooking", name="r", **bounds
    )
    assert made.sources["cooking"] <= 3
    rows = load_run(project, "r").rows
    assert np.bincount(load_clusters(project).labels[rows], minlength=4).min() >= 2
    vectors = np.asarray(load_features(project).vectors[rows], np.float64)
    cosines = np.triu(vectors @ vectors.T, 1)
    assert cosines.max() <= 0.95 + 1e-5
    assert made.settings["exchanged"] > 0
    assert [note.split()[0] for note in made.notes] == ["SemDeDup", "To"]
    assert (made.target, made.seed) == ("cooking", 0)
    path = load_run(project, "r").recipe_path
    asked = read_recipe(path)["selection"]
    assert {key: asked[key] for key in bounds} == bounds
    again = replay(path)
    assert again.same and again.rows_sha256 == made.rows_sha256


def test_a_rule_without_vectors_is_replayed_with_a_limit_of_clusters(mapped_root):
    project = Project.open(mapped_root)
    select(project, method="random", budget=20, limits=["cluster:0=..1"], name="r")
    recipe = read_recipe(load_run(project, "r").recipe_path)
    assert "features" in recipe and "clusters" in recipe
    assert replay(load_run(project, "r").recipe_path).same


def test_recipes_from_before_there_were_constraints_are_replayed(mapped_root, tmp_path):
    project = Project.open(mapped_root)
    select(project, method="random", budget=9, name="r")
    recipe = yaml.safe_load(load_run(project, "r").recipe_path.read_text())
    for key in ("limits", "max_cosine", "semdedup", "quality_file"):
        del recipe["selection"][key]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert replay(tmp_path / "recipe.yaml").same
    for key, value, why in (
        ("max_cosine", 2, r"selection.max_cosine must be between 0 and 1, not 2"),
        ("semdedup", "x", r"selection.semdedup must be between 0 and 1, not 'x'"),
        ("limits", [3], r"selection.limits\[0\] must be text, not 3"),
        ("quality_file", "x", r"selection.quality_file must have parts"),
    ):
        changed = recipe | {"selection": recipe["selection"] | {key: value}}
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(changed))
        with pytest.raises(InputError, match=why):
            replay(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": ["sauce=..3"]}, "The pool has no column 'sauce'"),
        ({"limits": ["source:x=..3"]}, "There is no source 'x' to limit; there are astronomy"),
        ({"limits": ["cluster:9=..3"]}, "There is no cluster '9' to limit; there are 0, 1, 2, 3."),
        ({"limits": ["source=..4"]}, "allow 16 rows, fewer than the budget of 20"),
        ({"max_cosine": 0.1}, "of 20 rows could be had with no two above cosine 0.1; raise"),
        ({"semdedup": 7}, "SemDeDup must be between"),
    ],
)
def test_what_cannot_be_met_leaves_no_run(mapped_root, options, message):
    project = Project.open(mapped_root)
    with pytest.raises(InputError, match=message) as caught:
        select(project, method="random", budget=20, **options)
    assert caught.value.option in {"limit", "max_cosine", "semdedup"}
    assert list_runs(project) == []


def test_cluster_means_the_clusters_beside_a_column_of_that_name(planted_files, tmp_path):
    rows = [{**row, "cluster": number % 2} for number, row in enumerate(planted_rows())]
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    run_stage("init", tmp_path / "p", {"files": [str(file)]})
    run_stage("embed", tmp_path / "p", {"features": str(planted_files / "features.npy")})
    run_stage("cluster", tmp_path / "p", {"k": 4})
    project = Project.open(tmp_path / "p")
    labels = load_clusters(project).labels
    drawn = {"method": "stratified", "quotas": "equal", "by": "cluster"}
    for options in (drawn, {"method": "random", "limits": ["cluster=5"]}):
        made = load_run(project, select(project, budget=20, **options).run)
        assert np.bincount(labels[made.rows]).tolist() == [5, 5, 5, 5]
        assert replay(made.recipe_path).same


def test_limits_of_clusters_need_clusters(planted_files, tmp_path):
    from core.ingest import init_pool

    init_pool(tmp_path / "p", [planted_files / "pool.jsonl"])
    project = Project.open(tmp_path / "p")
    with pytest.raises(
        InputError, match=r"A limit of clusters needs clusters; run `python -m core"
    ):
        select(project, method="random", budget=9, limits=["cluster=2.."])
    with pytest.raises(InputError, match="has no features yet"):
        select(project, method="random", budget=9, max_cosine=0.9)
    assert select(project, method="random", budget=9, limits=["source=2.."]).selected == 9


def test_the_command_line_takes_constraints(winnow, winnow_json, mapped_root):
    bounds = [word for limit in LIMITS for word in ("--limit", limit)]
    report = winnow_json(
        "select", mapped_root, "--method", "round-robin", "--target", "cooking", "--budget", 20,
        "--name", "r", "--max-cosine", 0.95, "--semdedup", 0.97, *bounds,
    )  # fmt: skip
    assert report["sources"]["cooking"] <= 3 and report["settings"]["exchanged"] > 0
    assert replay(load_run(Project.open(mapped_root), "r").recipe_path).same
    done = winnow("select", mapped_root, "--method", "random", "--budget", 9, "--limit", "source")
    assert done.returncode == 2
    assert done.stderr.startswith("--limit: A limit is COLUMN=A..B")


def test_every_parameter_of_a_rule_is_an_option():
    known = {one.name for rule in RULES.values() for one in rule.parameters + rule.expert}
    assert set(RULE_OPTIONS) == known


def test_arrays_take_constraints(winnow_json, tmp_path):
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((200, 6)).astype(np.float32)
    strata, labels = np.arange(200) % 4, np.arange(200) // 50
    chosen = select_arrays(
        pool,
        method="k-center",
        budget=20,
        strata=strata,
        labels=labels,
        limits=["group:2=..1", "cluster:3=12.."],
        max_cosine=0.9,
    )
    assert np.count_nonzero(strata[chosen.rows] == 2) <= 1
    assert np.count_nonzero(labels[chosen.rows] == 3) >= 12
    found = select_arrays(pool, method="random", budget=20, limits=["cluster=..4"], clusters=8)
    assert found.selected == 20
    for limit, message in (
        ("source=3..", "no column 'source'"),
        ("group=3..", "no column 'group'"),
    ):
        with pytest.raises(InputError, match=message):
            select_arrays(pool, method="random", budget=20, limits=[limit])
    for name, array in {"pool": pool, "by": strata, "labels": labels}.items():
        np.save(tmp_path / f"{name}.npy", array)
    done = winnow_json(
        "select-arrays", tmp_path / "pool.npy", "--method", "k-center", "--budget", 20,
        "--by", tmp_path / "by.npy", "--labels", tmp_path / "labels.npy", "--max-cosine", 0.9,
        "--limit", "group:2=..1", "--limit", "cluster:3=12..", "--out", tmp_path / "rows.npy",
    )  # fmt: skip
    assert done["selected"] == 20 and done["notes"]
    assert np.load(tmp_path / "rows.npy").tolist() == chosen.rows.tolist()
