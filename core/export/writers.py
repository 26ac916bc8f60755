"""Streaming writers of text: JSON lines, a JSON array, CSV."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.json_text import to_json_text

# What Excel, LibreOffice or Sheets may run when a cell starts with it (OWASP, CSV injection); the
# full-width forms count in East Asian locales, and a line feed before them does not disarm them.
_FORMULA = re.compile(r"[\t\r]|\n*[=+\-@＝＋－＠]")
# "-5" is a number to a spreadsheet, not a formula: it keeps its text, so that it reads back as it
# was. Digits are ASCII: nothing else in the match could be run.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_QUOTED = re.compile(r'[",\r\n]')
# A raw line break in JSON text is always white space between tokens, never part of a string.
_LINE_BREAK = re.compile(r"\s*[\r\n]\s*")


def one_line(text: str) -> str:
    """JSON text on one line, every token as it was."""
    text = text.strip()
    return _LINE_BREAK.sub(" ", text) if "\n" in text or "\r" in text else text


def add_fields(text: str, fields: Mapping[str, Any]) -> str:
    """Add fields at the end of a JSON object's text; what is there stays as it was."""
    body = text.rstrip().removesuffix("}").rstrip()
    comma = "" if body.endswith("{") else ", "
    return body + comma + to_json_text(dict(fields)).removeprefix("{")


def write_lines(path: Path, texts: Iterable[str]) -> None:
    """Write JSON texts, one a line."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        handle.writelines(one_line(text) + "\n" for text in texts)


def write_array(path: Path, texts: Iterable[str]) -> None:
    """Write JSON texts as one array, an item a line."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        before = "[\n"
        for text in texts:
            handle.write(before + one_line(text))
            before = ",\n"
        handle.write("\n]\n" if before == ",\n" else "[]\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a header and rows; see `csv_cell` for what becomes of a value."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        handle.writelines(csv_lines(columns, rows))


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file, the header first."""
    yield ",".join(csv_cell(column) for column in columns) + "\n"
    for row in rows:
        line = ",".join(csv_cell(row.get(column)) for column in columns)
        # A lone empty value would be an empty line, which readers skip.
        yield (line or '""') + "\n"


def csv_cell(value: Any) -> str:
    """One CSV cell, quoted where it has to be.

    None is an empty cell and an empty text is `""`; numbers stay numbers, true and false are as in
    JSON, lists and objects are JSON text. Text that a spreadsheet would run as a formula gets a
    `'` in front, except text that is nothing but a number.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    nested: Any = value
    if isinstance(value, list | dict):
        text = to_json_text(nested)
    elif isinstance(value, str):
        text = escape_formula(value)
    else:  # dates, decimals, bytes: as JSON text has them
        return csv_cell(json.loads(to_json_text({"": value}))[""])
    return '"' + text.replace('"', '""') + '"' if not text or _QUOTED.search(text) else text


def escape_formula(text: str) -> str:
    """Put a `'` before text that a spreadsheet would run as a formula."""
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
