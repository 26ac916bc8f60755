"""An encoder whose vectors depend on the text alone, and a pool of 50 rows."""

import hashlib
import json

import numpy as np
import pytest

from core.encoders import Encoded
from core.features import embed
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project

ROWS = 50
DIM = 8


class HashEncoder:
    """Vectors that depend on the text alone; it can be told to break off."""

    name, revision, dim, max_tokens, device = "fake", "1", DIM, 20, "cpu"
    precision = "float32"

    def __init__(self, shard_rows=8, fail_at=None):
        self.shard_rows, self.fail_at = shard_rows, fail_at
        self.seen = []

    def encode(self, texts, done=None):
        if self.fail_at is not None and len(self.seen) + len(texts) > self.fail_at:
            raise KeyboardInterrupt
        self.seen += texts
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        vectors = np.array([list(d[:DIM]) for d in digests], np.float32) - 127.5
        if done:
            done(len(texts))
        cut = sum(len(text) % 3 == 0 for text in texts)
        return Encoded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), cut)


def make_project(folder, rows=ROWS):
    lines = [
        json.dumps({"instruction": f"ask {i}", "output": "say " + "x" * i}) for i in range(rows)
    ]
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n")
    init_pool(folder / "p", [folder / "pool.jsonl"])
    return Project.open(folder / "p")


def stored_bytes(project):
    return (project.artefact("features", project.pointer("features")) / "vectors.npy").read_bytes()


def folder_of(project):
    (folder,) = project.artefact("features", "").iterdir()
    return folder


def interrupt(project, encoders, at):
    encoders["minilm"].fail_at = at
    with pytest.raises(KeyboardInterrupt):
        embed(project, encoder="minilm")
    encoders["minilm"] = HashEncoder()


def expected(project):
    texts = Pool.open(project).texts(0, ROWS)
    return HashEncoder().encode(texts).vectors.astype(np.float16)


def vectors(rows=ROWS, dim=DIM, dtype=np.float32):
    return (10 * np.random.default_rng(1).normal(size=(rows, dim))).astype(dtype)


def as_npy(path, values):
    np.save(path / "v.npy", values)
    return path / "v.npy"
