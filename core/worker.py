"""The process behind a job: `python -m core.worker JOB_FOLDER`. It runs the steps one by one."""

import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import WinnowError
from core.jobs import JobState, Step, save_state, worker_lock
from core.progress import StageShare
from core.stages import report_as_dict, run_stage

# Often enough for a smooth bar, seldom enough to cost nothing.
_WRITE_SECONDS = 0.25


class Reporter:
    """Keeps `state.json` up to date; safe to call from the stage and from the heartbeat thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = JobState("running", pid=os.getpid(), heartbeat=time.time())
        self._lock = threading.Lock()
        self._written = 0.0
        self._share = StageShare("")

    def begin(self, index: int, stage: str) -> None:
        """Start on a step."""
        self._share = StageShare(stage)
        self.update(step=index, part=0, what=stage, done=0, total=0, share=0.0, since=time.time())

    def update(self, *, now: bool = True, **changes: Any) -> None:
        """Change fields; write them at once, or (`now=False`) when the last write is old enough."""
        with self._lock:
            self.state = replace(self.state, heartbeat=time.time(), **changes)
            if now or time.monotonic() - self._written >= _WRITE_SECONDS:
                save_state(self.folder, self.state)
                self._written = time.monotonic()

    def progress(self, done: int, total: int, what: str) -> None:
        """Take a stage's progress; a new phrase starts a new count of the rate."""
        share = self._share(done, total, what)
        if what != self.state.what or done < self.state.done:
            self.update(
                part=self._share.part,
                what=what,
                done=done,
                total=total,
                share=share,
                done_before=done,
                since=time.time(),
            )
        else:
            self.update(now=False, what=what, done=done, total=total, share=share)


def main(folder: Path) -> int:
    """Run the job in `folder`; return the exit code of the CLI contract."""
    signal.signal(signal.SIGTERM, _interrupt)
    os.nice(5)  # the page that started us stays quick
    spec = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    steps = [Step(**step) for step in spec["steps"]]
    reporter = Reporter(folder)
    with worker_lock(folder).acquire(timeout=10):
        reporter.update()
        threading.Thread(target=_beat, args=(reporter,), daemon=True).start()
        try:
            for index, step in enumerate(steps):
                if (folder / "cancel").exists():
                    raise KeyboardInterrupt
                reporter.begin(index, step.stage)
                report = run_stage(
                    step.stage, spec["project"], step.options, progress=reporter.progress
                )
                reporter.update(reports=(*reporter.state.reports, report_as_dict(report)))
            reporter.update(status="done", step=len(steps))
        except KeyboardInterrupt:
            reporter.update(status="cancelled")
            return 130
        except WinnowError as error:
            reporter.update(status="failed", error=str(error))
            return error.exit_code
        except Exception as error:
            traceback.print_exc()  # into the log; the page gets one sentence
            reporter.update(
                status="failed", error=f"{type(error).__name__}: {error}. The log has the details."
            )
            return 1
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _beat(reporter: Reporter) -> None:
    while True:
        time.sleep(1)
        if reporter.state.status != "running":
            return
        reporter.update()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
