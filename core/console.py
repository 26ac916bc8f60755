"""What the command line prints: one JSON object or a few lines, progress on stderr, exit codes."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from typer._click.exceptions import ClickException  # typer's own copy; it exports no base

from core.errors import CancelledError, InputError, WinnowError

_LIST_ROWS = 12  # of a long list, when a person reads it
_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 5.0  # a log gets a line now and then, and none from a short command


ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's folder.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]


class Console:
    """Prints reports as JSON or for a person; knows nothing of the stages."""

    def __init__(self) -> None:
        self.json = False
        self._stdout = sys.stdout
        self._shown = time.monotonic()
        self._line_open = False

    def stage(self, stage: str, root: str, /, **options: Any) -> None:
        """Run a stage of `core.stages` with progress and print its report."""
        from core.stages import run_stage

        self.report(run_stage(stage, root, options, progress=self.progress))

    def progress(self, done: int, total: int, what: str) -> None:
        """Show progress on stderr, a few times a second."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if now - self._shown < (_TERMINAL_SECONDS if terminal else _LOG_SECONDS):
            return
        self._shown = now
        count = f" {done:,} of {total:,}" if total else f" {done:,}" if done else ""
        if terminal:
            sys.stderr.write(f"\r\033[K{what}{count}")
            self._line_open = True
        else:
            sys.stderr.write(f"{what}{count}\n")
        sys.stderr.flush()

    def report(self, report: Any) -> None:
        """Print a stage's report."""
        from core.stages import report_as_dict

        self.values(report_as_dict(report))

    def table(self, key: str, rows: list[dict[str, Any]]) -> None:
        """Print like things: under `key` in JSON, a block each for a person."""
        if self.json:
            self.values({key: rows})
            return
        for row in rows:
            self.values(row)
            self._stdout.write("\n")

    def values(self, values: dict[str, Any]) -> None:
        """Print names and values."""
        self._close_line()
        if self.json:
            self._stdout.write(json.dumps(values, ensure_ascii=False) + "\n")
        else:
            width = max(map(len, values), default=0)
            for key, value in values.items():
                self._stdout.write(f"{key.replace('_', ' '):<{width}}  {_readable(value)}\n")
        self._stdout.flush()

    def failure(self, sentence: str, exit_code: int) -> int:
        """Print one sentence on stderr (and as JSON, where that was asked for)."""
        self._close_line()
        sys.stderr.write(f"{sentence}\n")
        if self.json:
            self.values({"error": sentence, "exit_code": exit_code})
        return exit_code

    def _close_line(self) -> None:
        if self._line_open:
            sys.stderr.write("\r\033[K")
            self._line_open = False

    @contextmanager
    def guarded_stdout(self) -> Iterator[None]:
        """Send what libraries print to stderr, so that stdout carries the report alone."""
        sys.stdout.flush()
        kept = os.dup(1)
        self._stdout = os.fdopen(os.dup(kept), "w", encoding="utf-8")
        os.dup2(2, 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            self._stdout.close()
            os.dup2(kept, 1)
            os.close(kept)
            self._stdout = sys.stdout


console = Console()


def run_app(app: typer.Typer, arguments: list[str]) -> int:
    """Run a Typer app and turn every way in which it can end into an exit code."""
    console.json = "--json" in arguments
    arguments = [argument for argument in arguments if argument != "--json"] or ["--help"]
    if {"--help", "-h"} & set(arguments):
        return _invoke(app, arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    with console.guarded_stdout():
        try:
            code = _invoke(app, arguments)
            if code == CancelledError.exit_code:  # Typer turns the interrupt into this
                raise KeyboardInterrupt
            return code
        except ClickException as error:
            message = error.format_message().replace("\n", " ").rstrip(".")
            return console.failure(f"{message}.", InputError.exit_code)
        except WinnowError as error:
            return console.failure(_sentence(error), error.exit_code)
        except (KeyboardInterrupt, typer.Abort):
            sentence = "Cancelled; what was finished is kept, run it again to go on."
            return console.failure(sentence, CancelledError.exit_code)
        except BrokenPipeError:
            return 1
        except Exception as error:
            if os.environ.get("WINNOW_DEBUG"):
                raise
            what = " ".join(str(error).split())[:300]
            return console.failure(
                f"Winnow failed ({type(error).__name__}: {what}); WINNOW_DEBUG=1 shows where.", 1
            )


def _invoke(app: typer.Typer, arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    result = command.main(arguments, prog_name="python -m core", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sentence(error: WinnowError) -> str:
    """The error, with the flag that it is about in front."""
    option = error.option if isinstance(error, InputError) else None
    return f"--{option.replace('_', '-')}: {error}" if option else str(error)


def _readable(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_readable(item)}" for key, item in value.items())
    if isinstance(value, list):
        shown = ", ".join(map(_readable, value[:_LIST_ROWS]))
        more = len(value) - _LIST_ROWS
        return shown + (f" … and {more:,} more" if more > 0 else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
