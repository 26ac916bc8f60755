"""Background jobs: finish, fail, cancel, die and resume, seen from another process."""

import os
import signal
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import jobs, layout
from core.errors import BusyError, InputError
from core.jobs import Step
from core.progress import PARTS, StageShare
from core.project import Project

# A worker with a stage that counts to ten in the project's folder, going on where it was.
SLOW_WORKER = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
import core.stages
from core.errors import InputError
from core.worker import main

@dataclass
class Report:
    counted: int

def count(root, *, progress, stop_at=None, seconds=0.02, stubborn=False):
    file = Path(root) / "count"
    begun = int(file.read_text()) if file.exists() else 0
    for number in range(begun, 10):
        if number == stop_at:
            raise InputError("Row 7 is bad; mend it.")
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            if not stubborn:
                raise
        file.write_text(str(number + 1))
        progress(number + 1, 10, "counting")
    return Report(10 - begun)

core.stages.STAGES["embed"] = count
sys.exit(main(Path(sys.argv[1])))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "WORKER_COMMAND", [sys.executable, "-c", SLOW_WORKER])
    return Project.create(tmp_path / "p")


def wait_for(job, *statuses, seconds=60):
    deadline = time.monotonic() + seconds
    while (now := jobs.read_job(job.folder)).state.status not in statuses:
        assert time.monotonic() < deadline, (now.state, now.log())
        time.sleep(0.05)
    return now


def wait_for_count(project, number):
    file = project.root / "count"
    deadline = time.monotonic() + 30
    while not file.exists() or int(file.read_text() or 0) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_runs_its_steps_and_keeps_their_reports(project):
    done = wait_for(jobs.start(project, "Count", [Step("embed"), Step("embed")]), "done")
    assert [report["counted"] for report in done.state.reports] == [10, 0]
    assert done.fraction == 1.0 and not done.alive


def test_progress_gives_rate_and_time_left(project):
    job = jobs.start(project, "Count", [Step("embed", {"seconds": 1})])
    wait_for_count(project, 3)
    time.sleep(0.5)
    state = jobs.read_job(job.folder)
    assert 0.1 < state.fraction < 1
    assert 0.2 < state.rate < 2 and 1 < state.seconds_left < 40
    jobs.cancel(job)
    wait_for(job, "cancelled")


REPORTS = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.integers(0, 20),
        st.sampled_from(["finding clusters", "naming clusters", "arranging the map", "else"]),
    )
)


@given(stage=st.sampled_from(["cluster", "upgrade", "select"]), reports=REPORTS)
def test_the_share_of_a_stage_never_falls(stage, reports):
    share = StageShare(stage)
    shares = [share(*report) for report in reports]
    assert shares == sorted(shares) and all(0 <= one <= 1 for one in shares)


def test_parts_are_counted_over_all_steps(tmp_path):
    steps = (Step("embed"), Step("cluster"), Step("map"))
    share = StageShare("cluster")
    share(1, 2, "finding clusters")
    share(0, 0, "something that is in no list")
    state = jobs.JobState("running", step=1, part=share.part)
    job = jobs.Job("j", tmp_path, "Build the map", steps, 0.0, state)
    assert job.part == (3, 1 + len(PARTS["cluster"]) + len(PARTS["map"]))
    done = replace(job, state=jobs.JobState("done", step=3))
    assert done.part[0] == done.part[1]
    assert jobs.Job("j", tmp_path, "Select", (Step("select"),), 0.0, state).part == (1, 1)


def test_the_share_of_a_stage_covers_all_its_parts(monkeypatch):
    """Of every part that reports how far it is: the stages call them as `PARTS` does."""
    seen = []
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(layout, "FIT_LIMIT", 200)
    monkeypatch.setattr(layout, "FIT_ROWS", 100)
    layout.layout_vectors(vectors, progress=lambda *report: seen.append(report))
    assert {what for _, _, what in seen} == {
        "finding neighbours", "arranging the map", "placing rows"
    } <= PARTS["map"].keys()  # fmt: skip
    share = StageShare("map")
    shares = [share(*report) for report in seen]
    assert shares == sorted(shares) and 0.8 < shares[-1] < 1


def test_bad_input_fails_with_its_sentence_and_resumes_where_it_was(project):
    job = jobs.start(project, "Count", [Step("embed", {"stop_at": 7})])
    failed = wait_for(job, "failed")
    assert failed.state.error == "Row 7 is bad; mend it."
    again = jobs.start(project, "Count", [Step("embed")])
    assert wait_for(again, "done").state.reports[0]["counted"] == 3


def test_a_crash_is_reported_and_its_traceback_is_in_the_log(project):
    failed = wait_for(jobs.start(project, "Count", [Step("embed", {"seconds": "x"})]), "failed")
    assert failed.state.error.startswith("TypeError") and "Traceback" in failed.log()


def test_a_killed_worker_is_seen_as_dead_and_can_be_resumed(project):
    job = jobs.start(project, "Count", [Step("embed", {"seconds": 0.2})])
    wait_for_count(project, 3)
    os.kill(jobs.read_job(job.folder).state.pid, signal.SIGKILL)
    dead = wait_for(job, "died")
    assert "ended without a word" in dead.state.error
    counted = int((project.root / "count").read_text())
    resumed = wait_for(jobs.resume(project, dead), "done")
    assert resumed.state.reports[0]["counted"] == 10 - counted


def test_cancel_stops_between_two_units(project):
    job = jobs.start(project, "Count", [Step("embed", {"seconds": 0.2})])
    wait_for_count(project, 1)
    jobs.cancel(job)
    assert wait_for(job, "cancelled").state.error == ""
    assert int((project.root / "count").read_text()) < 10


def test_a_worker_that_does_not_listen_is_killed(project, monkeypatch):
    monkeypatch.setattr(jobs, "_TERMINATE_SECONDS", 0.3)
    job = jobs.start(project, "Count", [Step("embed", {"seconds": 1, "stubborn": True})])
    wait_for_count(project, 1)
    jobs.cancel(job)
    assert wait_for(job, "cancelled", seconds=5).state.status == "cancelled"


def test_one_writer_at_a_time_but_runs_and_exports_go_beside(project):
    job = jobs.start(project, "Count", [Step("embed", {"seconds": 0.3})])
    with pytest.raises(BusyError, match="in use by the job “Count”"):
        jobs.start(project, "Again", [Step("cluster")])
    beside = jobs.start(project, "Select", [Step("select", {"method": "magic"})])
    assert "magic" in wait_for(beside, "failed").state.error
    with pytest.raises(BusyError):
        jobs.start(project, "Round", [Step("refine", {"action": "step", "name": "q"})])
    beside = jobs.start(project, "Measure", [Step("refine", {"action": "compare", "name": "q"})])
    assert "'q'" in wait_for(beside, "failed").state.error
    jobs.cancel(job)
    wait_for(job, "cancelled")


def test_newest_first_and_no_job_where_there_is_none(project, tmp_path):
    first = jobs.start(project, "One", [Step("embed")])
    wait_for(first, "done")
    time.sleep(1)  # the ids begin with the second
    second = jobs.start(project, "Two", [Step("embed")])
    wait_for(second, "done")
    assert [job.id for job in jobs.list_jobs(project)] == [second.id, first.id]
    assert [job.id for job in jobs.list_jobs(project, limit=1)] == [second.id]
    with pytest.raises(InputError, match="No job at"):
        jobs.read_job(tmp_path)


def test_jobs_of_one_second_are_listed_newest_first(project):
    started = [jobs.start(project, f"job {n}", [Step("select")]) for n in range(4)]
    listed = jobs.list_jobs(project, limit=4)
    assert [job.id for job in listed] == [job.id for job in started[::-1]]
    for job in started:
        wait_for(job, "failed")
