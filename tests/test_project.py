"""The project's folder: atomic writes, fingerprints, pointers, the lock between processes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from core.errors import BusyError, InputError
from core.project import Project, atomic_file, atomic_folder, fingerprint, write_json
from core.runs import delete_run, list_runs, select

HOLD = """
import sys, time
from core.project import Project
with Project.open(sys.argv[1]).writing("embed"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def project(tmp_path):
    return Project.create(tmp_path / "p")


def test_atomic_file_keeps_the_old_content_on_an_error(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_atomic_folder_replaces_or_leaves_alone(tmp_path):
    path = tmp_path / "f"
    with atomic_folder(path) as folder:
        (folder / "x").write_text("1")
    with pytest.raises(ZeroDivisionError), atomic_folder(path) as folder:
        (folder / "x").write_text("2")
        raise ZeroDivisionError
    assert (path / "x").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_files_are_on_disk_before_they_take_their_place(tmp_path, monkeypatch):
    path, synced = tmp_path / "f", []

    def note(handle):
        assert not path.exists()
        synced.append(os.fstat(handle).st_ino)

    monkeypatch.setattr("os.fsync", note)
    with atomic_folder(path) as folder:
        (folder / "in").mkdir()
        (folder / "x").write_text("1")
        (folder / "in" / "y").write_text("2")
    assert sorted(synced) == sorted(file.stat().st_ino for file in (path / "x", path / "in" / "y"))


def test_fingerprint_depends_on_content_not_on_key_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert len(fingerprint("é")) == 16


def test_pointers_are_kept_and_an_overlay_hides_features(project):
    project.point("features", "one")
    shadow = Project(project.root, overlay={})
    assert shadow.pointer("features") == "one"
    shadow.point("features", "two")
    shadow.point("clusters:two", "c2")
    assert shadow.pointer("features") == "two"
    assert project.pointer("features") == "one"
    assert project.pointer("clusters:two") == "c2"


def test_a_second_writer_is_told_who_holds_the_project(project):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(project.root)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=rf"in use by “embed” \(process {holder.pid}"):
            project.writing("cluster").__enter__()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    deadline = time.monotonic() + 5
    while True:  # the lock goes with the process, whatever way it ended
        try:
            with project.writing("cluster"), project.writing("nested"):
                break
        except BusyError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_folders_that_are_not_projects_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        Project.create(tmp_path / "file")
    with pytest.raises(InputError, match="not empty and not a Winnow project"):
        Project.create(tmp_path / "other")
    with pytest.raises(InputError, match="No project at"):
        Project.open(tmp_path / "none")


def test_a_project_of_a_newer_winnow_is_refused(project):
    with project.database() as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(InputError, match="newer Winnow"):
        Project.open(project.root)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(4000), b"no database" * 99])
def test_a_damaged_database_is_one_sentence_and_stays_as_it_is(project, content):
    project.pool_dir.mkdir()
    database = project.root / "project.db"
    for file in project.root.glob("project.db*"):
        file.unlink()
    database.write_bytes(content)
    for opened in (Project.open, Project.create):
        with pytest.raises(InputError, match=r"project.db is damaged .* the rows are not touched"):
            opened(project.root)
    assert database.read_bytes() == content


def test_a_transaction_that_fails_leaves_no_trace(project):
    with pytest.raises(sqlite3.IntegrityError), project.database() as db:
        db.execute("INSERT INTO pointers VALUES ('pool', 'x')")
        db.execute("INSERT INTO pointers VALUES ('pool', 'y')")
    assert project.pointer("pool") is None


def test_a_deleted_run_keeps_its_name_until_its_files_are_gone(mapped_root, monkeypatch):
    project = Project.open(mapped_root)
    select(project, method="random", budget=3, name="r")
    held = []

    def looked_at(folder, **options):
        with closing(sqlite3.connect(project.root / "project.db", timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                held.append(str(error))
        rmtree(folder, **options)

    rmtree = shutil.rmtree
    monkeypatch.setattr("core.runs.shutil.rmtree", looked_at)
    delete_run(project, "r")
    assert held == ["database is locked"]
    assert list_runs(project) == [] and not project.artefact("runs", "r").exists()
