"""Between typed values and JSON."""

import base64
import json
import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

# Pieces of JSON: a text, an array of numbers, an empty object, a mark, a number or word.
_PIECE = re.compile(
    r""""[^"\\]*(?:\\.[^"\\]*)*" | \[[^"{}\[\]]*\] | \{\s*\} | [{}\[\],:] | [^\s"{}\[\],:]+""",
    re.VERBOSE | re.DOTALL,
)
_DEEPEST = 20  # from where on lines stand no further to the right


def to_json_text(row: Any) -> str:
    """Write a row, or a value of one, as one line of JSON, with as little loss as JSON allows.

    Dates and times become ISO 8601 text, durations seconds, decimals text with all their digits,
    bytes base64 text, and numbers that are not finite null.
    """
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, allow_nan=False)


def indented(text: str) -> str:
    """Lay JSON out for reading, an item a line; numbers of one array stay in one line.

    Nothing but the space between the values is changed: keys that come twice, escapes and the
    digits of numbers are as they were. Text that is not JSON is returned as it is.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    parts: list[str] = []
    depth = 0
    for piece in _PIECE.findall(text):
        if piece in "}]":
            depth -= 1
            parts += [_line(depth), piece]
        elif piece in "{[":
            depth += 1
            parts += [piece, _line(depth)]
        elif piece == ",":
            parts += [piece, _line(depth)]
        elif piece == ":":
            parts.append(": ")
        elif piece[0] == '"':
            parts.append(piece)
        else:
            parts.append("".join(piece.split()).replace(",", ", "))
    return "".join(parts)


def infer_array(values: list[Any]) -> pa.Array:
    """Return values as an array, as JSON text where they have no type in common."""
    kinds = set(map(type, values)) - {type(None)}
    try:
        if bool in kinds and len(kinds) > 1:  # Arrow would make true the number 1
            raise TypeError
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError):
        texts = [v if v is None or isinstance(v, str) else to_json_text(v) for v in values]
        return pa.array(texts, pa.string())


def _line(depth: int) -> str:
    """A new line in so many objects and arrays."""
    return "\n" + "  " * min(depth, _DEEPEST)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value if isinstance(value, str | int | None) else _finite(_plain(value))
