"""Recipes that are replayed: what they must hold, and what they must not be able to do."""

import numpy as np
import pytest
import yaml
from planted import planted_vectors

from core.errors import InputError
from core.ingest import init_pool
from core.project import Project
from core.recipe import read_recipe
from core.replay import replay
from core.runs import load_run, select
from core.stages import run_stage


def test_decisions_are_part_of_the_recipe(mapped_root):
    from core.decisions import decide

    project = Project.open(mapped_root)
    decide(project, 240, "drop", np.arange(60), "test")
    decide(project, 240, "pin", np.array([100, 239]), "test")
    made = select(project, method="kmeans-random", budget=20, name="r")
    again = replay(load_run(project, "r").recipe_path)
    assert again.same and again.rows_sha256 == made.rows_sha256 and again.why == ""


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
