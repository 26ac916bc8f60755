"""Columns that are offered: those that can be used, by a sample of the rows, kept with the pool."""

import json

import numpy as np
import pytest

from core import usable_columns as module
from core.errors import InputError
from core.facets import Facets, label_of
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project
from core.usable_columns import usable_columns

ROWS = 6_000
# What each column holds in a row, and whether it can be used.
COLUMNS = {
    "few": (lambda n: f"kind {n % 7}", True),
    "sorted": (lambda n: f"part {n // 1000}", True),
    "hundreds": (lambda n: f"topic {n * 7919 % 900}", True),
    "flag": (lambda n: n % 2 == 0, True),
    "count": (lambda n: n, True),
    "many": (lambda n: f"value {n * 7919 % 1900}", False),
    "own": (lambda n: f"text {n}", False),
    "some": (lambda n: f"note {n}" if n % 4 == 0 else "", False),
    "seldom": (lambda n: f"remark {n}" if n % 12 == 0 else None, False),
    "list": (lambda n: [{"text": f"{n}"}], False),
    "nothing": (lambda n: None, False),
    "dataset": (lambda n: f"set {n % 3}", False),  # the source was read from it
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("usable")
    with (folder / "rows.jsonl").open("w") as file:
        for n in range(ROWS):
            row = {name: value(n) for name, (value, _) in COLUMNS.items()}
            file.write(json.dumps({"instruction": f"q {n}", "output": f"a {n}", **row}) + "\n")
    init_pool(folder / "project", [folder / "rows.jsonl"])
    return Project.open(folder / "project")


@pytest.fixture
def pool(project):
    (project.pool_dir / "columns.json").unlink(missing_ok=True)
    return Pool.open(project)


def test_columns_that_can_only_be_refused_are_not_offered(project, pool):
    assert usable_columns(pool) == [name for name, (_, usable) in COLUMNS.items() if usable]
    facets = Facets(project)
    assert facets.offered() == [
        "length", "turns", "source", "duplicate", "few", "sorted", "hundreds", "flag", "count",
    ]  # fmt: skip
    for name in facets.offered():
        assert facets.histograms([name])[0].total.sum() == ROWS


def test_rows_are_looked_at_once(pool, monkeypatch):
    found = usable_columns(pool)
    monkeypatch.setattr(Pool, "original", None)
    assert usable_columns(Pool.open(Project.open(pool.folder.parent))) == found


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 0, "pool": "", "useless": []}'])
def test_what_was_kept_of_another_pool_or_is_damaged_is_found_anew(pool, damage):
    found = usable_columns(pool)
    (pool.folder / "columns.json").write_text(damage)
    assert usable_columns(pool) == found


def test_a_project_that_cannot_be_written_to_is_looked_at_all_the_same(pool, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(module, "write_json", refuse)
    assert "few" in usable_columns(pool) and not (pool.folder / "columns.json").exists()


def test_what_a_sample_did_not_show_is_noted_at_the_first_refusal(project, pool, monkeypatch):
    monkeypatch.setattr("core.column_values.MOST_VALUES", 800)
    facets = Facets(project)
    assert "hundreds" in facets.offered()
    with pytest.raises(InputError, match="900 different values"):
        facets.column("hundreds")
    assert "hundreds" not in facets.offered() and "few" in facets.offered()
    assert "hundreds" in facets.names()  # who asks for it by name is told why


def test_a_column_that_cannot_be_read_is_said_and_read_again_later(project, monkeypatch):
    facets = Facets(project)
    with monkeypatch.context() as patch:
        patch.setattr(Pool, "column", lambda *_: 1 / 0)
        with pytest.raises(InputError, match=r"Column 'few' cannot be read \(ZeroDivisionError"):
            facets.column("few")
    assert facets.column("few").names[0] == "kind 0"


@pytest.mark.parametrize("source", ["other", "source"])
def test_a_column_called_source_is_offered_beside_another_source_alone(tmp_path, source):
    path = tmp_path / "rows.jsonl"
    rows = [
        {
            "instruction": f"q {n}",
            "output": "a",
            "source": "ab"[n % 2],
            "other": "xyz"[n % 3],
            "length": n,
            "score": n or None,
        }
        for n in range(30)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    columns = {"source": source, "quality": "score"}
    init_pool(tmp_path / "project", [path], columns=columns)
    facets = Facets(Project.open(tmp_path / "project"))
    offered = facets.offered()
    assert ("column:source" in offered) == (source == "other")
    assert ("other" in offered) == (source == "source")
    assert "column:length" in offered and "quality" in offered and "score" not in offered
    # A row without a score is in no bar; that is no reason to show none.
    (quality,) = facets.histograms(["quality"])
    assert (quality.total.sum(), quality.none) == (29, 1)
    assert [label_of(name) for name in ("column:source", "source", "score")] == [
        "source (original column)", "Source", "score",
    ]  # fmt: skip


def test_rows_are_looked_at_all_over_the_pool():
    for rows in (1, 2_000, 2_048, 2_049, 2_100, 10**6):
        found = module._sample(rows)
        assert (np.diff(found) > 0).all() and found[0] == 0 and found[-1] == rows - 1
        assert len(found) == min(rows, 2_048)
