"""Vectors of a target set, encoded like the pool's and kept beside the set."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError, command
from core.features import Features, load_features
from core.pool_encoder import pool_encoder
from core.progress import Progress, silent
from core.project import Project, atomic_file, describe_file, write_json
from core.targets import Target, load_target
from core.values import decode_ranges


def encode_target(
    project: Project, name: str, *, progress: Progress = silent
) -> NDArray[np.float32]:
    """Return the unit vectors of a target set, with the encoder of the features in use.

    Returns
    -------
    ndarray of float32, shape (target rows, dim)

    Raises
    ------
    InputError
        No such target set, no features, or the pool's vectors were imported and those of the
        target set were not.
    """
    features, target = load_features(project), load_target(project, name)
    path = _path(project, features, target)
    if (stored := _stored(path, (len(target.texts), features.dim))) is not None:
        return stored
    if target.meta["pool_rows"] is not None:
        rows = decode_ranges(target.meta["pool_rows"])
        vectors = np.asarray(features.vectors[rows], np.float32)
    elif features.meta.get("source"):
        again = command("target", project.root, name, "FILE", "--features", "TARGET.npy")
        raise InputError(
            f"The pool's vectors were imported, so those of the target {name!r} must be too; "
            f"give them with {again}."
        )
    else:
        progress(0, len(target.texts), "encoding the target set")
        vectors = pool_encoder(features, progress).encode(target.texts).vectors
    _save(path, vectors)
    return vectors


def import_target_features(project: Project, target: Target, source: str | Path) -> None:
    """Keep vectors of a target set, which need not be stored yet, for the features in use.

    Parameters
    ----------
    source : a file of vectors as `core.vectors.import_features` reads it; needed where the pool's
        vectors were imported, for then no encoder is known.

    Raises
    ------
    InputError
        No features, or the file does not fit the target set and them.
    """
    from core.vectors import read_vectors

    features = load_features(project)
    vectors = read_vectors(source, rows=len(target.texts), dim=features.dim)
    path, described = _path(project, features, target), describe_file(Path(source))
    if path.is_file() and _described(path).get("sha256") != described["sha256"]:
        raise InputError(
            f"The target set {target.name} has other vectors already; choose another name."
        )
    _save(path, vectors)
    write_json(path.with_suffix(".json"), described)


def _save(path: Path, vectors: NDArray[np.float32]) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as out:
        np.save(out, vectors)


def _stored(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Vectors of an earlier call; None if they are missing or damaged."""
    try:
        stored: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return stored if stored.shape == shape and stored.dtype == np.float32 else None


def imported_from(project: Project, name: str) -> dict[str, Any] | None:
    """Return path, sha256 and bytes of the file that a target's vectors came from, if they did."""
    path = _path(project, load_features(project), load_target(project, name))
    return _described(path) or None


def _described(path: Path) -> dict[str, Any]:
    """The file that vectors came from; {} when they were encoded here."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return {}
    described: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    return described


def _path(project: Project, features: Features, target: Target) -> Path:
    """The vectors belong to one text and one encoder; another set of this name gets other ones."""
    kind = f"{target.meta['fingerprint']}-{features.fingerprint}"
    return project.targets_dir / f"{target.name}.{kind}.npy"
