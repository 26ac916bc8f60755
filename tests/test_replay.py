"""Recipes that are replayed: what they must hold, and what they must not be able to do."""

import copy

import numpy as np
import pytest
import yaml
from planted import planted_vectors

from core.clusters import load_clusters
from core.errors import InputError
from core.ingest import init_pool
from core.project import Project
from core.recipe import read_recipe
from core.replay import replay
from core.runs import export_run, load_run, select
from core.stages import run_stage


def test_decisions_are_part_of_the_recipe(mapped_root):
    from core.decisions import decide

    project = Project.open(mapped_root)
    decide(project, 240, "drop", np.arange(60), "test")
    decide(project, 240, "pin", np.array([100, 239]), "test")
    made = select(project, method="kmeans-random", budget=20, name="r")
    again = replay(load_run(project, "r").recipe_path)
    assert again.same and again.rows_sha256 == made.rows_sha256 and again.why == ""


def test_groups_of_a_column_are_part_of_the_recipe(mapped_root):
    project = Project.open(mapped_root)
    made = select(project, method="stratified", budget=20, quotas="equal", name="r")
    assert set(made.sources.values()) == {5} and made.settings["by"] == "source"
    by_score = select(project, method="stratified", budget=30, by="score", name="s")
    assert by_score.settings["strata"] > 30
    for name in ("r", "s"):
        assert replay(load_run(project, name).recipe_path).same
    assert "uses no groups" in select(project, method="random", budget=3, by="score").notes[0]


def test_rows_are_drawn_by_cluster(mapped_root):
    project = Project.open(mapped_root)
    made = select(project, method="stratified", budget=21, quotas="equal", by="cluster", name="r")
    run = load_run(project, "r")
    counts = np.bincount(load_clusters(project).labels[run.rows], minlength=4)
    assert sorted(counts.tolist()) == [5, 5, 5, 6] and made.settings["by"] == "cluster"
    assert "clusters" in read_recipe(run.recipe_path) and replay(run.recipe_path).same
    with project.database() as db:
        db.execute("DELETE FROM pointers WHERE kind LIKE 'clusters:%'")
    with pytest.raises(InputError, match="Drawing by clusters needs clusters; run `python"):
        select(project, method="stratified", budget=20, by="cluster")


def test_vectors_of_a_target_taken_from_the_pool_are_replayed(mapped_root, tmp_path):
    np.save(tmp_path / "other.npy", planted_vectors(seed=8)[130:133])
    options = {"name": "three", "rows": [0, 1, 2], "features": str(tmp_path / "other.npy")}
    run_stage("target", mapped_root, options)
    project = Project.open(mapped_root)
    report = select(project, method="tsds-uniform", budget=9, target="three", name="r")
    assert report.sources == {"football": 9}  # what the given vectors point at
    assert replay(load_run(project, "r").recipe_path).same


def test_a_changed_input_is_named_and_a_rule_without_vectors_needs_none(mapped_root, tmp_path):
    project = Project.open(mapped_root)
    select(project, method="random", budget=9, name="r")
    recipe = read_recipe(load_run(project, "r").recipe_path)
    assert "features" not in recipe and "clusters" not in recipe
    changed = tmp_path / "pool.jsonl"
    changed.write_text('{"instruction": "a", "output": "b"}\n')
    recipe["pool"]["inputs"][0]["path"] = str(changed)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(InputError, match=r"pool\.jsonl is not the file that the recipe used"):
        replay(tmp_path / "recipe.yaml")


def test_the_folder_of_an_export_stands_for_its_recipe(mapped_root, tmp_path):
    project = Project.open(mapped_root)
    select(project, method="random", budget=9, name="r")
    export_run(project, "r", format="llama-factory", out=tmp_path / "x")
    assert replay(tmp_path / "x").same
    (tmp_path / "x" / "recipe.yaml").unlink()
    with pytest.raises(InputError, match=r"There is no file .*x/recipe\.yaml"):
        replay(tmp_path / "x")


def test_a_recipe_cannot_write_outside(mapped_root, tmp_path):
    project = Project.open(mapped_root)
    select(project, method="random", budget=9, name="r")
    recipe = read_recipe(load_run(project, "r").recipe_path)
    recipe["project"] = str(tmp_path / "elsewhere")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert replay(tmp_path / "recipe.yaml").same
    assert not (tmp_path / "elsewhere").exists()


def test_a_second_init_leaves_the_first_project_alone(mapped_root, planted_files):
    with pytest.raises(InputError, match="already holds a pool"):
        init_pool(mapped_root, [planted_files / "pool.jsonl"])
    assert Project.open(mapped_root).pointer("pool")


_WHOLE = {
    "winnow_recipe": 1,
    "pool": {
        "inputs": [{"path": "gone.jsonl", "sha256": "0" * 64}],
        "format": "auto",
        "columns": {},
        "limit": None,
        "fingerprint": "f",
        "rows": 9,
    },
    "decisions": {"dropped": "", "pinned": "3"},
    "features": {"encoder": "static", "source": None, "column": None, "fingerprint": "f"},
    "clusters": {"k": 3, "seed": 0},
    "target": {
        "name": "t",
        "inputs": [],
        "pool_rows": "1-2",
        "format": "auto",
        "columns": {},
        "features": None,
    },
    "selection": {
        "method": "tsds-kde",
        "budget": 5,
        "target": "t",
        "quality": None,
        "seed": 0,
        "name": "r",
        "parameters": {"diversity_weight": 0.2},
    },
    "result": {"selected": 5, "rows_sha256": "0" * 64},
    "versions": {"numpy": "2"},
}


def with_value(path, value):
    recipe = copy.deepcopy(_WHOLE)
    *parents, last = path.split(".")
    place = recipe
    for part in parents:
        place = place[int(part) if part.isdigit() else part]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return recipe


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (
            "selection.seed",
            "zero",
            "selection.seed must be a whole number of 0 or more, not 'zero'",
        ),
        ("selection.seed", True, "selection.seed must be a whole number"),
        ("selection.budget", [1], r"selection.budget must be a whole number .*, not \[1\]"),
        ("selection.budget", -1, "selection.budget must be a whole number of 0 or more, not -1"),
        ("selection.method", None, "selection.method must be text, not nothing"),
        ("selection.method", "best", "Unknown method 'best'"),
        ("selection.parameters", [], r"selection.parameters must have parts, not \[\]"),
        ("selection.parameters", {"budget": 3}, "no parameter 'budget'"),
        ("selection.parameters", {"diversity_weight": "much"}, "Diversity weight must be"),
        ("selection", KeyError, "selection is missing"),
        ("pool", "here", "pool must have parts, not 'here'"),
        ("pool.inputs", {}, r"pool.inputs must be a list, not \{\}"),
        ("pool.inputs", ["a.jsonl"], r"pool.inputs\[0\] must have parts, not 'a.jsonl'"),
        ("pool.inputs.0.sha256", KeyError, r"pool.inputs\[0\].sha256 is missing"),
        ("pool.columns", {"prompt": 3}, "pool.columns must have names and texts"),
        ("pool.limit", "all", "pool.limit must be a whole number"),
        ("decisions.pinned", 3, "decisions.pinned must be text, not 3"),
        ("features", [], "features must have parts"),
        ("features.source", "x.npy", "features.source must have parts, not 'x.npy'"),
        ("clusters.k", "auto", "clusters.k must be a whole number"),
        ("clusters.edits", "all", "clusters.edits must be a list, not 'all'"),
        ("clusters.edits", [3], r"clusters.edits\[0\] must have parts, not 3"),
        ("clusters.edits", [{"clusters": [0]}], r"clusters.edits\[0\].action is missing"),
        (
            "clusters.edits",
            [{"action": "split", "clusters": ["a"], "parts": 2, "seed": 0}],
            r"clusters.edits\[0\].clusters\[0\] must be a whole number",
        ),
        (
            "clusters.edits",
            [{"action": "rename", "clusters": [0]}],
            r"clusters.edits\[0\] of the recipe: A title must be text",
        ),
        (
            "clusters.edits",
            [{"action": "paint", "clusters": [0]}],
            "Unknown edit of clusters 'paint'",
        ),
        (
            "clusters.edits",
            [{"action": "rename", "clusters": [0], "title": "a", "colour": "red"}],
            "this one has action, clusters, colour, title",
        ),
        ("target.name", KeyError, "target.name is missing"),
        ("result.rows_sha256", 0, "result.rows_sha256 must be text, not 0"),
        ("versions", 3, "versions must have names and texts, not 3"),
    ],
)
def test_a_part_of_a_recipe_that_cannot_be_is_named(tmp_path, path, value, why):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(with_value(path, value)))
    with pytest.raises(InputError, match=why) as caught:
        replay(tmp_path / "recipe.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("optional", ["features", "clusters", "target", "versions", "pool.limit"])
def test_a_recipe_may_lack_what_was_not_used(tmp_path, optional):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(with_value(optional, KeyError)))
    with pytest.raises(InputError, match=r"The input gone\.jsonl of the recipe is missing"):
        replay(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    "text", ["", "- 1", "a: [1", "a: 2001-99-99", "{[]: 1}", "winnow_recipe: x", "[" * 5000, "\0"]
)
def test_what_is_no_recipe_is_one_sentence(tmp_path, text):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(InputError, match=r"recipe\.yaml") as caught:
        replay(tmp_path / "recipe.yaml")
    assert "\n" not in str(caught.value)
