"""What the command line prints: one JSON object or a few lines, progress on stderr, exit codes."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from types import FrameType
from typing import Annotated, Any, TextIO

import typer
from typer._click.exceptions import ClickException  # typer's own copy; it exports no base

from core.errors import CancelledError, InputError, WinnowError
from core.told import (
    abridged,
    counted,  # noqa: F401  (for the commands)
)

LIST_ROWS = 20  # of a long list, when a person reads it
_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 5.0  # a log gets a line now and then, and none from a short command
# What Typer says of a value that is no number, which names neither the value nor a right one.
_WRONG_NUMBER = re.compile(
    r"Invalid value for '(\S+)': Input should be a valid (integer|number),.*"
)

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Folder of the project.")]
SeedOption = Annotated[int, typer.Option(metavar="N", help="Seed of the random choices.")]


class Console:
    """Prints reports as JSON or for a person; knows nothing of the stages."""

    def __init__(self) -> None:
        self.json = False
        self._stdout: TextIO | None = None  # where that of the process is guarded
        self._shown = time.monotonic()
        self._line_open = False

    def stage(
        self,
        stage: str,
        root: str,
        /,
        *,
        text: Callable[[dict[str, Any]], str] | None = None,
        **options: Any,
    ) -> None:
        """Run a stage with progress and print its report, to a person as what `text` says."""
        from core.stages import report_as_dict, run_stage

        report = report_as_dict(run_stage(stage, root, options, progress=self.progress))
        self.values(report, text(report) if text and not self.json else None)

    def progress(self, done: int, total: int, what: str) -> None:
        """Show progress on stderr, a few times a second."""
        now = time.monotonic()
        terminal = sys.stderr.isatty() and not self.json
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

    def report(self, report: Any, sentence: str | None = None) -> None:
        """Print a stage's report; to a person the sentence, if there is one, says it all."""
        from core.stages import report_as_dict

        self.values(report_as_dict(report), sentence)

    def table(
        self, key: str, rows: list[dict[str, Any]], columns: Sequence[str], empty: str
    ) -> None:
        """Print like things: under `key` in JSON; these columns, or that there are none, else."""
        lines = aligned([{name: row[name] for name in columns} for row in rows])
        self.values({key: rows}, "\n".join(lines) or empty)

    def values(self, values: dict[str, Any], text: str | None = None) -> None:
        """Print names and values; to a person the text instead, if there is one."""
        self._close_line()
        if self.json:
            text = json.dumps(values, ensure_ascii=False)
        elif text is None:
            text = "\n".join(pairs(values))
        print(text, file=self._stdout or sys.stdout, flush=True)

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
        self._stdout = out = os.fdopen(os.dup(kept), "w", encoding="utf-8")
        os.dup2(2, 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            out.close()
            os.dup2(kept, 1)
            os.close(kept)
            self._stdout = None


console = Console()


def run_app(app: typer.Typer, arguments: list[str]) -> int:
    """Run a Typer app and turn every way in which it can end into an exit code."""
    console.json = "--json" in arguments
    arguments = [argument for argument in arguments if argument != "--json"]
    if not arguments and console.json:
        return console.failure("Give a command; --help lists them.", InputError.exit_code)
    arguments = arguments or ["--help"]
    asks_help = bool({"--help", "-h"} & set(arguments))
    signal.signal(signal.SIGTERM, _interrupt)
    with nullcontext() if asks_help else console.guarded_stdout():
        try:
            code = _invoke(app, arguments)
            if code == CancelledError.exit_code:  # Typer turns the interrupt into this
                raise KeyboardInterrupt
            return code
        except ClickException as error:
            message = error.format_message().replace("\n", " ").rstrip(".")
            message = _WRONG_NUMBER.sub(_say_number, message)
            context = getattr(error, "ctx", None)  # of the command that was misused
            hint = f"; `{context.command_path} --help` lists what it takes" if context else ""
            return console.failure(f"{message}{hint}.", InputError.exit_code)
        except WinnowError as error:
            return console.failure(_sentence(error), error.exit_code)
        except (KeyboardInterrupt, typer.Abort):
            sentence = "Stopped; what was finished is kept. The same command goes on."
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


def _say_number(found: re.Match[str]) -> str:
    option, kind = found.groups()
    wanted = "a whole number" if kind == "integer" else "a number, such as 0.1"
    return f"{option} takes {wanted}"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sentence(error: WinnowError) -> str:
    """The error, with the flag that it is about in front."""
    option = error.option if isinstance(error, InputError) else None
    return f"--{option.replace('_', '-')}: {error}" if option else str(error)


def pairs(values: dict[str, Any]) -> list[str]:
    """A line for each name that has a value; further lines of a value stand below its first."""
    shown = {_words(key): _readable(key, value) for key, value in values.items()}
    shown = {key: text for key, text in shown.items() if text}
    width = max(map(len, shown), default=0)
    below = "\n" + " " * (width + 2)
    return [f"{key:<{width}}  {text.replace(chr(10), below)}" for key, text in shown.items()]


def aligned(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of a table, its head first; a column without values is left out."""
    cells = [
        [_readable(key, value).replace("\n", ", ") for key, value in row.items()] for row in rows
    ]
    head = [_words(key) for key in rows[0]] if rows else []
    columns = [column for column in zip(head, *cells, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]


def _readable(key: str, value: Any) -> str:
    """A value as a person reads it; "" for none."""
    if key == "created":
        return datetime.fromtimestamp(value).strftime("%Y-%m-%d %H:%M")
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, dict):
        items = ((name, _readable(name, item)) for name, item in value.items())
        return ", ".join(f"{abridged(name)} {text}" for name, text in items if text)
    if isinstance(value, list):
        return _listed(key, value)
    if isinstance(value, float) and "cosine" in key:
        return f"{value:.3f}"  # one below the other, they are compared
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return value if isinstance(value, str) else f"{value:,}"


def _listed(key: str, values: list[Any]) -> str:
    """Tables and texts on lines of their own, numbers in one."""
    first, more = values[:LIST_ROWS], len(values) - LIST_ROWS
    if values and isinstance(values[0], dict):
        lines = aligned(first)
    else:
        lines = [_readable(key, value) for value in first]
    if more > 0:
        lines.append(f"… and {more:,} more")
    return (", " if values and isinstance(values[0], int | float) else "\n").join(lines)


def _words(key: str) -> str:
    return key.replace("_", " ")
