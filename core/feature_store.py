"""Vectors on disk: shards while they are computed, one array when they are complete.

A folder features/<fingerprint>/ holds `vectors.npy` and `meta.json` when it is complete, and until
then `shards/`: one .npz a shard (its CRC-32 tells damage) and `begun.json`, which says for what.
"""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.pool import Pool
from core.progress import Progress
from core.project import Project, atomic_file, write_json

if TYPE_CHECKING:
    from core.encoders import Encoder

# Of encoded texts: half the disk and memory, and 9,999 of 10,000 nearest neighbours stay the same.
ENCODED = np.float16


@dataclass(frozen=True)
class Filled:
    """What `Store.fill` did: `resumed` rows were there, the others took `seconds` of encoding."""

    resumed: int
    truncated: int
    seconds: float


class Store:
    """The vectors of one pool by one encoder, in the folder features/<fingerprint>/."""

    def __init__(self, folder: Path, rows: int, dim: int) -> None:
        self.folder, self.rows, self.dim = folder, rows, dim
        self._shards = folder / "shards"

    def fill(self, pool: Pool, encoder: "Encoder", spec: str, progress: Progress) -> Filled:
        """Encode the rows that are missing, shard by shard; each is whole or not there."""
        meta = complete_meta(self.folder)
        if meta is not None:
            return Filled(self.rows, int(meta["truncated"]), 0.0)
        size = self._begin(pool, encoder, spec)
        resumed = truncated = 0
        seconds = 0.0
        for number, start in enumerate(range(0, self.rows, size)):
            stop = min(start + size, self.rows)
            cut = self._read(number, stop - start)
            if cut is None:
                began = time.perf_counter()
                cut = self._encode(number, pool.texts(start, stop), encoder, start, progress)
                seconds += time.perf_counter() - began
            else:
                resumed += stop - start
            truncated += cut
            progress(stop, self.rows, "encoding rows")
        return Filled(resumed, truncated, seconds)

    def finish(self, meta: dict[str, Any]) -> None:
        """Join the shards into one array, and remove them."""
        if complete_meta(self.folder) is None:
            count = len(list(self._shards.glob("shard-*.npz")))
            blocks = (np.load(self._path(i), allow_pickle=False)["vectors"] for i in range(count))
            save_vectors(self.folder, blocks, (self.rows, self.dim), ENCODED, meta)
        shutil.rmtree(self._shards, ignore_errors=True)

    def _begin(self, pool: Pool, encoder: "Encoder", spec: str) -> int:
        """Rows of a shard; shards by another precision, or of unknown origin, are thrown away."""
        begun = read_json(self._shards / "begun.json") or {}
        same = begun.get("precision") == encoder.precision and begun.get("shard_rows", 0) > 0
        if not same:
            shutil.rmtree(self._shards, ignore_errors=True)
            begun = {
                "pool": pool.fingerprint,
                "encoder": spec,
                "precision": encoder.precision,
                "shard_rows": encoder.shard_rows,
            }
            write_json(self._shards / "begun.json", begun)
        return int(begun["shard_rows"])

    def _encode(
        self, number: int, texts: list[str], encoder: "Encoder", start: int, progress: Progress
    ) -> int:
        def tell(done: int) -> None:
            progress(start + done, self.rows, "encoding rows")

        encoded = encoder.encode(texts, tell)
        bad = np.flatnonzero(~np.isfinite(encoded.vectors).all(axis=1))
        if len(bad):
            raise InputError(
                f"{encoder.name} gives no usable vector for row {start + bad[0]}; use another one."
            )
        with atomic_file(self._path(number)) as temporary, temporary.open("wb") as out:
            np.savez(
                out,
                vectors=encoded.vectors.astype(ENCODED),
                truncated=np.int64(encoded.truncated),
            )
        return encoded.truncated

    def _path(self, number: int) -> Path:
        return self._shards / f"shard-{number:05d}.npz"

    def _read(self, number: int, rows: int) -> int | None:
        """Read a whole shard; return how many of its rows were truncated, None if it is no good."""
        try:
            with np.load(self._path(number), allow_pickle=False) as stored:
                vectors, truncated = stored["vectors"], int(stored["truncated"])
        except Exception:
            # Missing, or damaged in one of the many ways a zip file can be: encoded again.
            return None
        good = vectors.shape == (rows, self.dim) and vectors.dtype == ENCODED
        return truncated if good else None


def save_vectors(
    folder: Path,
    blocks: Iterator[NDArray[Any]],
    shape: tuple[int, int],
    dtype: type[np.floating[Any]],
    meta: dict[str, Any],
) -> None:
    """Write blocks of unit vectors, in all of `shape`, as the features in `folder`.

    `vectors.npy` comes last: where it is, everything is.
    """
    write_json(folder / "meta.json", meta)
    with atomic_file(folder / "vectors.npy") as temporary:
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        at = 0
        for block in blocks:
            out[at : at + len(block)] = block
            at += len(block)
        out.flush()


def open_vectors(folder: Path) -> NDArray[Any] | None:
    """Map the vectors of complete features; None if they are missing or cut short."""
    try:
        vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return vectors if isinstance(vectors, np.ndarray) and vectors.ndim == 2 else None


def complete_meta(folder: Path) -> dict[str, Any] | None:
    """Return `meta.json` of complete features; None if anything of them is missing or damaged."""
    meta = read_json(folder / "meta.json")
    vectors = open_vectors(folder)
    if meta is None or vectors is None or vectors.shape != (meta.get("rows"), meta.get("dim")):
        return None
    return meta


def begun_with(project: Project, pool: Pool, encoders: tuple[str, ...]) -> str | None:
    """Return which of the encoders was begun on the pool and did not finish, if one was."""
    for path in sorted(project.artefact("features", "").glob("*/shards/begun.json")):
        begun = read_json(path) or {}
        if begun.get("pool") == pool.fingerprint and begun.get("encoder") in encoders:
            return str(begun["encoder"])
    return None


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None if it is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
