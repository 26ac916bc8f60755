"""Recipes: all that made a selection, as YAML that a person can read and Winnow can replay."""

import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from core.cluster_log import ClusterEdit
from core.clusters import load_clusters
from core.decisions import Decisions
from core.errors import InputError
from core.features import load_features
from core.paths import user_path
from core.pool import Pool
from core.project import Project, atomic_file
from core.refinement import METHOD as REFINE
from core.refinement.rounds_recipe import ROUND_SHAPE, check_rounds
from core.selection import find_rule
from core.target_features import imported_from
from core.targets import load_target
from core.values import encode_ranges, plain
from core.version import __version__

RECIPE_VERSION = 1
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where it was built
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
# What a replay reads, and what it must be; of a part that ends in "?" there need not be any.
_FILE = {"path": "text", "sha256": "text"}
_EDIT = {
    "action": "text",
    "clusters": ["number"],
    "title?": "text",
    "parts?": "number",
    "seed?": "number",
}
_SHAPE: dict[str, Any] = {
    "pool": {
        "inputs": [_FILE],
        "format": "text",
        "columns": "names",
        "limit?": "number",
        "fingerprint": "text",
        "rows": "number",
    },
    "decisions": {"dropped": "text", "pinned": "text"},
    "features?": {
        "encoder": "text",
        "source?": _FILE,
        "column?": "text",
        "fingerprint?": "text",
    },
    "clusters?": {"k": "number", "seed": "number", "edits?": [_EDIT]},
    "target?": {
        "name": "text",
        "inputs": [_FILE],
        "pool_rows?": "text",
        "format": "text",
        "columns": "names",
        "features?": _FILE,
    },
    "selection": {
        "method": "text",
        "budget": "number",
        "target?": "text",
        "quality?": "text",
        "by?": "text",
        "seed": "number",
        "quality_file?": _FILE,
        "limits?": ["text"],
        "max_cosine?": "cosine",
        "semdedup?": "cosine",
        "name?": "text",
        "parameters": {},
    },
    "refinement?": {"rounds": [ROUND_SHAPE]},
    "result": {"selected": "number", "rows_sha256": "text"},
    "versions?": "names",
}


def make_recipe(
    project: Project,
    decisions: Decisions,
    request: dict[str, Any],
    result: dict[str, Any],
    uses_features: bool,
    rounds: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Describe how a selection was made.

    Parameters
    ----------
    request : the options of `core.runs.select`.
    result : the fields of its report.
    uses_features : whether the rule looks at vectors; else they are no part of the recipe.
    rounds : what each round of a refinement drew with; see `core.refinement.rounds_recipe`.
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
                "k": clusters.k,
                "seed": clusters.seed,
                "fingerprint": clusters.fingerprint,
            }
            if clusters.edits:
                recipe["clusters"]["edits"] = [edit.as_dict() for edit in clusters.edits]
    if request["target"]:
        recipe["target"] = {
            "name": request["target"],
            **load_target(project, request["target"]).meta,
            "features": imported_from(project, request["target"]),
        }
    recipe["selection"] = request
    if rounds is not None:
        recipe["refinement"] = {"rounds": rounds}
    recipe["result"] = {
        key: result[key] for key in ("selected", "support", "rows_sha256", "notes", "settings")
    }
    recipe["versions"] = {"python": platform.python_version(), **package_versions()}
    return plain(recipe)


def write_recipe(path: Path, recipe: dict[str, Any]) -> None:
    """Write a recipe as YAML, atomically."""
    with atomic_file(path) as temporary:
        text = yaml.dump(recipe, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=100)
        temporary.write_text(text, encoding="utf-8")


def read_recipe(path: str | Path) -> dict[str, Any]:
    """Read a recipe.

    Raises
    ------
    InputError
        No such file, not YAML, not a recipe, from a newer Winnow, or a part of it is missing or
        cannot be what it is.
    """
    if not user_path(path).is_file():
        raise InputError(f"There is no file {path}; check the path.")
    try:
        recipe = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"Cannot read the recipe {path}: {why}.") from None
    if not isinstance(recipe, dict) or "winnow_recipe" not in recipe:
        raise InputError(f"{path} is not a Winnow recipe; give a recipe.yaml of an export or run.")
    if type(recipe["winnow_recipe"]) is not int or recipe["winnow_recipe"] != RECIPE_VERSION:
        raise InputError(f"{path} has recipe version {recipe['winnow_recipe']}; update Winnow.")
    wrong = _wrong(recipe, _SHAPE, "")
    if wrong:
        raise InputError(f"The recipe {path} cannot be used: {wrong}.")
    _fill(recipe, _SHAPE)
    selection = recipe["selection"]
    if selection["method"] == REFINE:
        check_rounds(recipe)
    else:
        find_rule(selection["method"]).resolve(selection["parameters"])
    cluster_edits(recipe)
    return recipe


def cluster_edits(recipe: dict[str, Any]) -> list[ClusterEdit]:
    """What a recipe does to its clusters after k-means; nothing in most.

    Raises
    ------
    InputError
        One of the edits lacks something, or has what cannot be used.
    """
    found = []
    for number, stored in enumerate(recipe.get("clusters", {}).get("edits") or ()):
        try:
            found.append(ClusterEdit.read(stored))
        except InputError as error:
            raise InputError(f"clusters.edits[{number}] of the recipe: {error}") from None
    return found


def target_of(path: Path, project: Project) -> str | None:
    """The target set that the recipe of a run names; None where it has none, or it is gone.

    Another set under that name does not count. A recipe that cannot be used any more, of a rule
    that has changed since, still tells.
    """
    try:
        made = _part(path, "target")
        name, fingerprint = str(made["name"]), made["fingerprint"]
    except (KeyError, TypeError):
        return None
    try:
        return name if load_target(project, name).meta["fingerprint"] == fingerprint else None
    except InputError:
        return None


def clusters_of(path: Path) -> str | None:
    """The fingerprint of the clusters that the recipe of a run names; None without any."""
    try:
        return str(_part(path, "clusters")["fingerprint"])
    except (KeyError, TypeError):
        return None


def _part(path: Path, name: str) -> Any:
    """A part of a stored recipe, whatever it is by now; None where it cannot be read."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))[name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError):
        return None


def _fill(part: dict[str, Any], shape: dict[str, Any]) -> None:
    """Give what may be missing one form: a whole section is left out, a value is None."""
    for key, inner in shape.items():
        name = key.removesuffix("?")
        if part.get(name) is None:
            if isinstance(inner, dict):
                part.pop(name, None)
            else:
                part[name] = None
        elif isinstance(inner, dict):
            _fill(part[name], inner)


def _wrong(value: Any, shape: Any, name: str) -> str:
    """The first part that is missing or is not what it must be, in words; "" when all are fine."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{name} must have parts, not {_shown(value)}"
        for key, inner in shape.items():
            part = key.removesuffix("?")
            whole = f"{name}.{part}" if name else part
            if part not in value and part == key:
                return f"{whole} is missing"
            if value.get(part) is None and part != key:
                continue
            wrong = _wrong(value[part], inner, whole)
            if wrong:
                return wrong
        return ""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{name} must be a list, not {_shown(value)}"
        found = (_wrong(one, shape[0], f"{name}[{at}]") for at, one in enumerate(value))
        return next(filter(None, found), "")
    if shape == "number":
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return "" if good else f"{name} must be a whole number of 0 or more, not {_shown(value)}"
    if shape == "cosine":
        good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        return "" if good else f"{name} must be between 0 and 1, not {_shown(value)}"
    if shape == "names":
        good = isinstance(value, dict) and all(isinstance(i, str) for p in value.items() for i in p)
        return "" if good else f"{name} must have names and texts, not {_shown(value)}"
    return "" if isinstance(value, str) else f"{name} must be text, not {_shown(value)}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:40]


def package_versions() -> dict[str, str]:
    """Versions of Winnow and of the packages that can change which rows come out."""
    found = {"winnow": __version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
