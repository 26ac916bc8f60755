"""Long stages in a process of their own: start, watch, cancel, resume.

A job is a folder with `job.json` (what to do), `state.json` (where it is), `log.txt` and a lock
that its worker holds while it lives. Whoever can take the lock knows that the worker is gone, so
neither a reload nor a crash can leave a job that seems to run for ever.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import filelock

from core.errors import BusyError, InputError
from core.progress import PARTS
from core.project import Project, write_json

WORKER_COMMAND = [sys.executable, "-m", "core.worker"]
# A worker takes its lock within a second or two; a slow disk may need longer.
_START_SECONDS = 30.0
_TERMINATE_SECONDS = 5.0
# Long stages that write what others read; the rest only adds a run, a target or an export.
_WRITERS = {"init", "embed", "cluster", "map", "upgrade", "demo", "refine"}


@dataclass(frozen=True)
class Step:
    """One stage of a job: a name of `core.stages.STAGES` and its options."""

    stage: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether others read what it writes, so that there must be but one at a time."""
        return self.stage in _WRITERS and self.options.get("action") != "compare"


@dataclass(frozen=True)
class JobState:
    """Where a job is.

    `status` is one of starting, running, done, failed, cancelled, died; `done` of `total` units
    are those of the current part of the step, and `share` is that of the whole step; `part` is
    its place in `core.progress.PARTS`; `since` is when the part began to make progress, with
    `done_before` units done by then (both give the rate).
    """

    status: str = "starting"
    step: int = 0
    part: int = 0
    what: str = "starting"
    done: int = 0
    total: int = 0
    share: float = 0.0
    since: float = 0.0
    done_before: int = 0
    heartbeat: float = 0.0
    pid: int = 0
    error: str = ""
    reports: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Job:
    """A job as it stands now."""

    id: str
    folder: Path
    title: str
    steps: tuple[Step, ...]
    created: float
    state: JobState

    @property
    def alive(self) -> bool:
        """Whether it still works."""
        return self.state.status in ("starting", "running")

    @property
    def writes(self) -> bool:
        """Whether a step of it writes what others read; see `Step.writes`."""
        return any(step.writes for step in self.steps)

    @property
    def fraction(self) -> float:
        """Share of the whole job that is done, each step counted alike."""
        if self.state.status == "done":
            return 1.0
        return min(1.0, (self.state.step + self.state.share) / max(1, len(self.steps)))

    @property
    def part(self) -> tuple[int, int]:
        """Which part of the whole job is at work, from 1, and how many there are."""
        counts = [max(1, len(PARTS.get(step.stage, ()))) for step in self.steps]
        at_work = sum(counts[: self.state.step]) + self.state.part + 1
        return min(at_work, sum(counts)), sum(counts)

    @property
    def rate(self) -> float | None:
        """Units a second in the current part, or None while unknown."""
        seconds = self.state.heartbeat - self.state.since
        units = self.state.done - self.state.done_before
        return units / seconds if units > 0 and seconds > 0.5 else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate for the current part, or None while unknown."""
        if not self.rate or not self.state.total:
            return None
        return (self.state.total - self.state.done) / self.rate

    def log(self, last: int = 20_000) -> str:
        """Return the end of the log, at most `last` bytes."""
        try:
            data = (self.folder / "log.txt").read_bytes()
        except FileNotFoundError:
            return ""
        return data[-last:].decode(errors="replace")


def start(project: Project, title: str, steps: list[Step] | tuple[Step, ...]) -> Job:
    """Start a worker for `steps`; it outlives the caller.

    Raises
    ------
    BusyError
        A job of this project is still at work.
    InputError
        The project was deleted meanwhile.
    """
    if any(step.writes for step in steps):
        for other in list_jobs(project):
            if other.alive and other.writes:
                raise BusyError(
                    f"{project.name} is in use by the job “{other.title}”; "
                    "wait for it or cancel it."
                )
    # Jobs are listed by name: also those of one second in their order.
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now // 10**9))
    folder = project.jobs_dir / f"{stamp}-{now % 10**9:09}-{secrets.token_hex(2)}"
    if not project.root.is_dir():  # else a part of it would be made anew
        raise InputError(f"The project {project.root} is gone; choose another one.")
    folder.mkdir(parents=True)
    write_json(
        folder / "job.json",
        {
            "title": title,
            "project": str(project.root),
            "created": time.time(),
            "steps": [asdict(step) for step in steps],
        },
    )
    save_state(folder, JobState(heartbeat=time.time()))
    with (folder / "log.txt").open("ab") as log:
        subprocess.Popen(
            [*WORKER_COMMAND, str(folder)],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return read_job(folder)


def resume(project: Project, job: Job) -> Job:
    """Start a new job that goes on with the step at which `job` stopped."""
    return start(project, job.title, job.steps[job.state.step :])


def cancel(job: Job) -> None:
    """Ask the worker to stop; it is killed when it has not done so within a few seconds."""
    now = read_job(job.folder)
    if now.alive:  # else its process number may be another's by now
        (job.folder / "cancel").touch()
        _signal(now.state, signal.SIGTERM)


def list_jobs(project: Project, limit: int | None = None) -> list[Job]:
    """Return the jobs of a project, newest first, at most `limit`."""
    folders = sorted((path.parent for path in project.jobs_dir.glob("*/state.json")), reverse=True)
    jobs = []
    for folder in folders[:limit]:
        with suppress(InputError):  # one unreadable job must not hide the others
            jobs.append(read_job(folder))
    return jobs


def dismiss(job: Job) -> None:
    """Mark an ended job as seen, so that pages need not show it again."""
    (job.folder / "dismissed").touch()


def is_dismissed(job: Job) -> bool:
    """Whether `dismiss` was called."""
    return (job.folder / "dismissed").exists()


def read_job(folder: Path) -> Job:
    """Read a job's folder and tell a dead worker from a living one.

    Raises
    ------
    InputError
        There is no readable job at `folder`.
    """
    try:
        spec = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        state = JobState(**json.loads((folder / "state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"No job at {folder}.") from None
    at_work = state.status in ("starting", "running")
    if at_work:
        _enforce_cancel(folder, state)
    if at_work and not _has_worker(folder, state):
        # The worker may have ended between our two reads: its last word counts.
        state = JobState(**json.loads((folder / "state.json").read_text(encoding="utf-8")))
        if state.status in ("starting", "running"):
            state = _bury(folder, state)
    steps = tuple(Step(**step) for step in spec["steps"])
    return Job(folder.name, folder, spec["title"], steps, spec["created"], state)


def save_state(folder: Path, state: JobState) -> None:
    """Write `state.json` atomically; a reader never sees half of it."""
    write_json(folder / "state.json", asdict(state))


def worker_lock(folder: Path) -> filelock.FileLock:
    """Return the lock that a worker holds while it lives."""
    return filelock.FileLock(folder / "worker.lock")


def _has_worker(folder: Path, state: JobState) -> bool:
    if state.status == "starting" and time.time() - state.heartbeat < _START_SECONDS:
        return True
    lock = worker_lock(folder)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _bury(folder: Path, state: JobState) -> JobState:
    cancelled = (folder / "cancel").exists()
    fields = asdict(state) | {
        "status": "cancelled" if cancelled else "died",
        "error": "" if cancelled else "The process ended without a word: killed, or out of memory.",
    }
    return JobState(**fields)


def _enforce_cancel(folder: Path, state: JobState) -> None:
    """Kill a worker that was asked to stop and is deep in native code."""
    try:
        asked = (folder / "cancel").stat().st_mtime
    except FileNotFoundError:
        return
    if time.time() - asked > _TERMINATE_SECONDS and _has_worker(folder, state):
        _signal(state, signal.SIGKILL)


def _signal(state: JobState, number: signal.Signals) -> None:
    if not state.pid:  # not yet begun: the worker looks for the request itself
        return
    try:
        os.killpg(state.pid, number)
    except (ProcessLookupError, PermissionError):
        return
