"""Pools of sixty made-up rows, in many small parts, and of rows that a test makes itself."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.ingest import init_pool
from core.pool import Pool
from core.project import Project

TOPICS = ["entropy", "cooking", "football", "50% off", "snake_case", "ÉCOLE", "日本語"]


def make_rows(count=60):
    return [
        {
            "instruction": f"Question {i} on {TOPICS[i % 7]}",
            "input": "" if i % 3 else f"Input {i}",
            "output": f"Answer {i * 7 % 10} " + "x" * (i % 11),
            "source": "abc"[i % 3],
            "id": f"row-{i}",
            "score": i / 10,
            "level": i % 5,
            "good": i % 2 == 0,
            "tags": ["t", str(i)],
            "mixed": i if i % 2 else str(i),
        }
        for i in range(count)
    ]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def open_pool(root):
    return Pool.open(Project.open(root))


def open_pool_of(tmp_path, files, **options):
    report = init_pool(tmp_path / "p", files, **options)
    return open_pool(tmp_path / "p"), report


def build(tmp_path, rows, name="pool.jsonl", **options):
    """A pool of rows; `name` says in what kind of file they are."""
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write_lines(path, rows)
    root = tmp_path / "project"
    shutil.rmtree(root, ignore_errors=True)
    report = init_pool(root, [path], **options)
    return open_pool(root), report


def in_small_parts(monkeypatch):
    monkeypatch.setattr("core.parts.PART_ROWS", 16)
    monkeypatch.setattr("core.parts.GROUP_ROWS", 4)
    monkeypatch.setattr("core.readers.CHUNK_ROWS", 3)
    monkeypatch.setattr("core.tables.CHUNK_ROWS", 3)


def build_in_parts(folder, name):
    """A pool of `make_rows`, which are its `expected`, in many small parts."""
    rows = make_rows()
    if name.endswith("parquet"):
        rows = [{**row, "mixed": str(row["mixed"])} for row in rows]
    with pytest.MonkeyPatch.context() as patched:
        in_small_parts(patched)
        pool, _ = build(folder, rows, name)
    assert len(pool.meta["parts"]) > 2
    assert len(pool.meta["parts"][0]["groups"]) > 2
    pool.expected = rows
    return pool
