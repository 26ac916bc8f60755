"""Recipes: all that made a selection, as YAML that a person can read and Winnow can replay."""

import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from core.clusters import load_clusters
from core.decisions import Decisions
from core.errors import InputError
from core.features import load_features
from core.pool import Pool
from core.project import Project, atomic_file
from core.target_features import imported_from
from core.targets import load_target
from core.values import encode_ranges, plain

RECIPE_VERSION = 1
# Packages whose version can change which rows come out.
_PACKAGES = (
    "numpy",
    "faiss-cpu",
    "torch",
    "transformers",
    "sentence-transformers",
    "model2vec",
    "openvino",
    "pyarrow",
)


def make_recipe(
    project: Project,
    decisions: Decisions,
    request: dict[str, Any],
    result: dict[str, Any],
    uses_features: bool,
) -> dict[str, Any]:
    """Describe how a selection was made.

    Parameters
    ----------
    request : the options of `core.runs.select`.
    result : the fields of its report.
    uses_features : whether the rule looks at vectors; else they are no part of the recipe.
    """
    pool = Pool.open(project)
    recipe: dict[str, Any] = {
        "winnow_recipe": RECIPE_VERSION,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "project": project.name,
        "pool": {
            key: pool.meta[key] for key in ("inputs", "format", "columns", "limit", "fingerprint")
        }
        | {"rows": pool.rows},
        "decisions": {
            "dropped": encode_ranges(np.flatnonzero(decisions.dropped)),
            "pinned": encode_ranges(decisions.pinned_rows),
        },
    }
    if uses_features:
        features = load_features(project)
        recipe["features"] = {
            key: features.meta.get(key)
            for key in (
                "encoder",
                "revision",
                "precision",
                "device",
                "dim",
                "source",
                "column",
                "fingerprint",
            )
        }
        clusters = load_clusters(project)
        if clusters is not None:
            recipe["clusters"] = {
                "k": len(clusters.sizes),
                "seed": clusters.seed,
                "fingerprint": clusters.fingerprint,
            }
    if request["target"]:
        recipe["target"] = {
            "name": request["target"],
            **load_target(project, request["target"]).meta,
            "features": imported_from(project, request["target"]),
        }
    recipe["selection"] = request
    recipe["result"] = {
        key: result[key] for key in ("selected", "support", "rows_sha256", "notes", "settings")
    }
    recipe["versions"] = {"python": platform.python_version(), **package_versions()}
    return plain(recipe)


def write_recipe(path: Path, recipe: dict[str, Any]) -> None:
    """Write a recipe as YAML, atomically."""
    with atomic_file(path) as temporary:
        text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=100)
        temporary.write_text(text, encoding="utf-8")


def read_recipe(path: str | Path) -> dict[str, Any]:
    """Read a recipe.

    Raises
    ------
    InputError
        No such file, not YAML, not a recipe, or from a newer Winnow.
    """
    try:
        recipe = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"Cannot read the recipe {path}: {why}.") from None
    if not isinstance(recipe, dict) or "winnow_recipe" not in recipe:
        raise InputError(f"{path} is not a Winnow recipe; give a recipe.yaml of an export or run.")
    if recipe["winnow_recipe"] != RECIPE_VERSION:
        raise InputError(f"{path} has recipe version {recipe['winnow_recipe']}; update Winnow.")
    missing = [key for key in ("pool", "decisions", "selection", "result") if key not in recipe]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; give a whole recipe.")
    return recipe


def package_versions() -> dict[str, str]:
    """Versions of the packages that can change which rows come out."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
