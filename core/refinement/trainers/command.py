"""Any command line as a trainer: a script, a SLURM job, LLaMA-Factory."""

import os
import shlex
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError
from core.feature_store import read_json
from core.progress import Progress
from core.project import write_json
from core.refinement.base import RoundWork, TrainReport
from core.refinement.brought import OUT, forget_left, left_by_command
from core.refinement.models import is_model
from core.refinement.round_file import write_round

LOG = "log.txt"
DATA = "round.jsonl"
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 2.0  # between asking a command to stop and stopping it
_TOLD = 160  # characters of the log's last line in a message


@dataclass(frozen=True)
class Command:
    """Runs a command line, without a shell, in a group of processes of its own.

    ``{data}``, ``{out}`` and ``{seed}`` in its words, and WINNOW_DATA, WINNOW_OUT and WINNOW_SEED
    in its environment, are the round's rows as JSON Lines, the folder to write to, and the seed;
    WINNOW_PREVIOUS is the model folder of the round before, if there is one. What it prints is in
    `log.txt` of the round's folder while it runs. It leaves in its folder a model, or
    `generations.jsonl`, or `scores.jsonl` (see `core.refinement.brought`).
    """

    line: str
    seconds: float

    def train(self, work: RoundWork, *, progress: Progress) -> TrainReport:
        """Run the command; errors as in `Trainer`."""
        out = (work.folder / OUT).absolute()
        _end_earlier(work.folder)
        out.mkdir(parents=True, exist_ok=True)
        forget_left(work)
        data = (work.folder / DATA).absolute()
        write_round(work, data)
        self._run(work, data, out, progress)
        model = out if is_model(out) else None
        if model is None and not left_by_command(work):
            raise InputError(
                f"The command ended well but left nothing in {out}; let it write a model "
                "(config.json), generations.jsonl or scores.jsonl there ({out}).",
                option="command",
            )
        return TrainReport(model)

    def _run(self, work: RoundWork, data: Path, out: Path, progress: Progress) -> None:
        log = work.folder / LOG
        given = {"{data}": str(data), "{out}": str(out), "{seed}": str(work.seed)}
        words = command_words(self.line)
        for name, value in given.items():
            words = [word.replace(name, value) for word in words]
        environment = os.environ | {
            "WINNOW_DATA": str(data),
            "WINNOW_OUT": str(out),
            "WINNOW_SEED": str(work.seed),
            "WINNOW_PREVIOUS": str(work.previous or ""),
            "PYTHONUNBUFFERED": "1",  # its lines are shown as they come
        }
        with log.open("wb") as printed:
            try:
                process = subprocess.Popen(
                    words,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise InputError(
                    f"The command {words[0]!r} cannot be started ({error.strerror}); check it.",
                    option="command",
                ) from None
        write_json(work.folder / _RUNNING, {"group": process.pid, "started": _started(process.pid)})
        try:
            code = self._wait(process, progress)
        finally:
            end_group(process.pid)
            process.wait()
            (work.folder / _RUNNING).unlink(missing_ok=True)
        if code is None:
            raise InputError(
                f"The command ran longer than {self.seconds:g} seconds and was stopped; allow it "
                f"more, or see {log}.",
                option="seconds",
            )
        if code != 0:
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise InputError(f"The command failed with {ended}{_last_line(log)}; see {log}.")

    def _wait(self, process: "subprocess.Popen[bytes]", progress: Progress) -> int | None:
        """Exit code of the command; None if its time is over."""
        began = time.monotonic()
        while time.monotonic() - began < self.seconds:
            progress(0, 0, "the command is at work")
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_LOOK_SECONDS)
        return None


_RUNNING = "running.json"


def command_words(line: str) -> list[str]:
    """Split a command line as a shell would; nothing in it is expanded or run.

    Raises
    ------
    InputError
        It is empty, or a quotation mark is left open.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise InputError(
            f"The command cannot be split into words ({error}); close its quotation marks.",
            option="command",
        ) from None
    if not words:
        raise InputError("The command is empty; give a command line.", option="command")
    return words


def end_group(group: int) -> None:
    """Ask all processes of a group to stop, and stop them if they do not within two seconds."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < until:
            with suppress(ChildProcessError):
                os.waitpid(group, os.WNOHANG)  # else its first process stays as a zombie
            os.killpg(group, 0)
            time.sleep(0.02)
        os.killpg(group, signal.SIGKILL)


def _end_earlier(folder: Path) -> None:
    """Stop a command that outlived the Winnow that began it: two must not write to one folder."""
    earlier = read_json(folder / _RUNNING) or {}
    group, started = earlier.get("group"), earlier.get("started")
    if isinstance(group, int) and group > 1 and started and _started(group) == started:
        end_group(group)
    (folder / _RUNNING).unlink(missing_ok=True)


def _started(process: int) -> str:
    """When a process began, in the system's own words; "" where that is unknown."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2]
        return after_name.split()[19]
    except (OSError, ValueError, IndexError):
        return ""


def _last_line(log: Path) -> str:
    """What the command said last, for a message; "" where it said nothing."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        last = "".join(deque((line for line in lines if line.strip()), maxlen=1)).strip()
    return f" and said last: {last[:_TOLD]}" if last else ""
