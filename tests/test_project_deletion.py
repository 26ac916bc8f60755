"""Deleting a project: only one, only when nothing works in it, and whole."""

import shutil
import sqlite3

import pytest

from core import jobs
from core.errors import BusyError, InputError
from core.project import Project
from core.project_deletion import delete_project
from core.workspace import open_project


def test_all_of_a_project_and_nothing_else_goes(mapped_root):
    other = mapped_root.with_name("other")
    Project.create(other)
    assert delete_project(mapped_root) == mapped_root
    assert [path.name for path in mapped_root.parent.iterdir()] == ["other"]
    open_project(other).delete()
    assert not list(mapped_root.parent.iterdir())
    # Its place is free at once, also in the process that held its lock.
    with Project.create(mapped_root).writing("init"):
        assert (mapped_root / "project.db").is_file()


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_a_folder_that_is_no_project_stays(tmp_path, content):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.png").write_bytes(b"x")
    database = folder / "project.db"
    if content is None:  # another program's
        with sqlite3.connect(database) as db:
            db.execute("CREATE TABLE runs (id)")
        db.close()
    elif content:
        database.write_bytes(content)
    before = sorted((path, path.read_bytes()) for path in folder.iterdir())
    with pytest.raises(InputError, match="photos is no Winnow project"):
        delete_project(folder)
    assert sorted((path, path.read_bytes()) for path in folder.iterdir()) == before


def test_a_link_and_a_project_at_work_stay(mapped_root, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(mapped_root)
    with pytest.raises(InputError, match="is a link; delete the project that it leads to"):
        delete_project(link)
    project = Project.open(mapped_root)
    folder = project.jobs_dir / "20260101-000000"
    folder.mkdir(parents=True)
    with jobs.worker_lock(folder).acquire():  # as a worker holds it
        (folder / "job.json").write_text(
            '{"title": "Compare a", "steps": [{"stage": "compare", "options": {}}], "created": 1}'
        )
        jobs.save_state(folder, jobs.JobState("running", pid=0))
        with pytest.raises(BusyError, match="in use by the job “Compare a”"):
            delete_project(mapped_root)
    assert Project.open(mapped_root).pointer("pool")


def test_what_a_kill_left_is_no_project_and_what_lies_beside_it_stays(mapped_root, monkeypatch):
    def killed(path, **_):
        if path.exists():
            raise KeyboardInterrupt

    copy = mapped_root.with_name("copy")
    shutil.copytree(mapped_root, copy)
    with monkeypatch.context() as patch:
        patch.setattr("core.project_deletion.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_project(mapped_root)
    assert not mapped_root.exists()
    monkeypatch.setenv("WINNOW_PROJECTS", str(mapped_root.parent))
    from pages.ui.state import project_names

    assert project_names() == ["copy"]
    (left,) = mapped_root.parent.glob(".*.deleted")
    copy.rename(mapped_root)
    delete_project(mapped_root)
    assert list(mapped_root.parent.iterdir()) == [left]


def test_a_folder_with_a_link_to_a_database_stays(mapped_root, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "project.db").symlink_to(mapped_root / "project.db")
    with pytest.raises(InputError, match="docs is no Winnow project"):
        delete_project(tmp_path / "docs")
    assert (tmp_path / "docs").is_dir()


def test_no_job_starts_in_a_project_that_is_gone(mapped_root):
    project = Project.open(mapped_root)
    delete_project(mapped_root)
    with pytest.raises(InputError, match="is gone; choose another one"):
        jobs.start(project, "Map", [jobs.Step("map", {})])
    assert not mapped_root.exists()


def test_the_command_asks_for_yes(winnow, winnow_json, mapped_root):
    done = winnow("delete", mapped_root, check=2)
    assert f"removes {mapped_root} and all" in done.stderr and "--yes" in done.stderr
    with Project.open(mapped_root).writing("embed"):
        assert (mapped_root / "pool").is_dir()
    assert winnow_json("delete", mapped_root, "--yes") == {"deleted": str(mapped_root)}
    assert not mapped_root.exists()
    assert "no Winnow project" in winnow("delete", mapped_root, "--yes", check=2).stderr
