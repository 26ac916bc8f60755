"""Deleting a project: its folder, with all that is in it."""

import secrets
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from core.errors import BusyError, InputError
from core.jobs import list_jobs
from core.paths import user_path
from core.project import Project

_TABLES = {"pointers", "runs", "decisions"}  # that every Winnow's database has


def delete_project(root: str | Path) -> Path:
    """Remove a project's folder and all that is in it, for good.

    It first gets another name beside the old one: a kill leaves the project as it was, or a hidden
    folder that is none, `.NAME.….deleted`.

    Returns
    -------
    Path
        Where it was.

    Raises
    ------
    InputError
        There is no Winnow project at `root`, it is a link to one, or it cannot be removed.
    BusyError
        A job is at work in it, or a process that holds its lock (see `Project.writing`).
    """
    path = user_path(root).absolute()
    if path.is_symlink():
        raise InputError(
            f"{path} is a link; delete the project that it leads to: {path.resolve()}."
        )
    if not _is_project(path):
        raise InputError(f"{path} is no Winnow project; give the folder of one.")
    project = Project(path)
    gone = path.with_name(f".{path.name}.{secrets.token_hex(4)}.deleted")  # nothing is there
    _check_jobs(project)  # first: whoever holds the lock is named by its process
    with project.writing("delete"):
        _check_jobs(project)
        try:
            path.rename(gone)
        except OSError as error:
            raise InputError(
                f"{path} cannot be deleted ({error.strerror or error}); make its folder writable."
            ) from None
    try:
        shutil.rmtree(gone)
    except OSError as error:
        raise InputError(
            f"{path} is deleted, but some of it is left at {gone} ({error.strerror or error}); "
            "remove that by hand."
        ) from None
    return path


def _check_jobs(project: Project) -> None:
    job = next((one for one in list_jobs(project) if one.alive), None)
    if job is not None:
        raise BusyError(
            f"{project.root} is in use by the job “{job.title}”; wait for it or cancel it."
        )


def _is_project(path: Path) -> bool:
    """Whether a folder's database is Winnow's; it is only read."""
    database = path / "project.db"
    if database.is_symlink() or not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in found} >= _TABLES
    except sqlite3.DatabaseError:
        return False
