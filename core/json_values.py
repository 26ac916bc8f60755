"""Rows of a JSON text that is no list of lines: arrays, objects with rows under a key."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from core.inputs import holds_rows
from core.streams import BLOCK, DamageError, Stream

_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_ROWS_OPEN = re.compile(r"\[\s*\{")
# JSON strings hold no raw line breaks, so that one and the indentation after it mean nothing.
_BREAKS = re.compile(r"[\r\n]+[ \t]*")
# The decoder reports a number, a literal or an escape that the window cuts this near to its end.
_CUT = 12
# Characters in which a list must show that it holds objects.
_AHEAD = 1 << 12


class BrokenError(Exception):
    """An element that cannot be read; the message says why."""


class JsonValues:
    """The elements of a JSON text, read through a window that grows with the longest of them.

    Parameters
    ----------
    mapped : columns that the user mapped.
    limit : characters that an element may have.

    Notes
    -----
    Memory is that of the longest element. The window at least doubles when it grows, so that an
    element is not decoded more often than the logarithm of its length.
    """

    def __init__(self, stream: Stream, mapped: Sequence[str], limit: int) -> None:
        self._stream = stream
        self._mapped = mapped
        self._limit = limit
        # A byte that is not UTF-8 becomes a lone surrogate, and its row is refused for it.
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._ended = False
        self._number = 0

    def items(self, kind: str) -> Iterator[tuple[int, Any, str | None]]:
        """Yield the elements of an array, of the lists in one object, or of a series of objects.

        Parameters
        ----------
        kind : "array", "keyed" or "values".

        Yields
        ------
        number : int
            1-based, of the element.
        value : Any
            The element, or the reason why there is none.
        text : str or None
            The element's JSON text without line breaks; None when `value` is a reason.
        """
        try:
            if self._peek() == "\ufeff":
                self._at += 1
            if kind == "values":
                yield from self._elements("")
            elif kind == "array":
                self._take("[")
                yield from self._elements("]")
            else:
                yield from self._keyed()
            if self._peek():
                raise BrokenError("there is more text after the end of the rows")
        except (BrokenError, DamageError) as error:
            yield self._number + 1, f"{error}; the rest is not read", None

    def _keyed(self) -> Iterator[tuple[int, Any, str | None]]:
        """Read the rows under the keys of one object; other values are passed over."""
        self._take("{")
        while self._peek() != "}":
            key, _ = self._value()
            self._take(":")
            self._peek()
            self._look_ahead()
            if _ROWS_OPEN.match(self._text, self._at) and holds_rows(key, [{}], self._mapped):
                self._take("[")
                yield from self._elements("]")
            else:
                self._value()
            if self._peek() != "}":
                self._take(",")
        self._take("}")

    def _elements(self, closing: str) -> Iterator[tuple[int, Any, str | None]]:
        """Read up to `closing`, and on past a broken element where the next one can be told."""
        mark = None
        while self._peek() != closing:
            if mark is None:
                mark = self._line_mark()
            try:
                value, text = self._value()
            except BrokenError as broken:
                self._skip_to(mark, broken)
                self._number += 1
                yield self._number, str(broken), None
                continue
            self._number += 1
            if "\n" in text or "\r" in text:
                text = _BREAKS.sub("", text)
            yield self._number, value, text
            if self._peek() == ",":
                self._at += 1
        self._at += len(closing)

    def _value(self) -> tuple[Any, str]:
        self._peek()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or (error.pos >= len(self._text) - _CUT)
                if not cut:
                    raise BrokenError(self._bad_json(error)) from None
                if self._ended:
                    raise BrokenError("bad JSON: the file ends too early") from None
                self._grow()
                continue
            except (ValueError, RecursionError) as error:
                raise BrokenError(bad_json(error)) from None
            if end < len(self._text) or self._ended:  # else a number may go on
                text, self._at = self._text[self._at : end], end
                return value, text
            self._grow()

    def _bad_json(self, error: json.JSONDecodeError) -> str:
        return bad_json(json.JSONDecodeError(error.msg, "", error.pos - self._at))

    def _peek(self) -> str:
        """Go to the next character that is no space and return it; "" at the end."""
        while True:
            found = _NOT_SPACE.search(self._text, self._at)
            if found:
                self._at = found.start()
                return found.group()
            self._at = len(self._text)
            if self._ended:
                return ""
            self._grow()

    def _take(self, character: str) -> None:
        if self._peek() != character:
            raise BrokenError(f"bad JSON: {character!r} is missing")
        self._at += 1

    def _look_ahead(self) -> None:
        while len(self._text) - self._at < _AHEAD and not self._ended:
            self._grow()

    def _grow(self) -> None:
        kept = self._text[self._at :]
        if len(kept) > self._limit:
            raise BrokenError(f"longer than {self._limit >> 20} MiB")
        block = self._stream.read(max(BLOCK, len(kept)))
        self._ended = not block
        self._text = kept + self._utf8.decode(block, self._ended)
        self._at = 0

    def _line_mark(self) -> str:
        """Return the line break and indentation before this element; "" if there is none."""
        start = self._text.rfind("\n", 0, self._at)
        mark = self._text[start : self._at + 1]
        return mark if start >= 0 and not mark[:-1].strip() and mark[-1:] == "{" else ""

    def _skip_to(self, mark: str, broken: BrokenError) -> None:
        """Go to the next element that starts a line as the first one did, or give up."""
        if not mark:
            raise broken
        self._at += 1
        while (found := self._text.find(mark, self._at)) < 0:
            if self._ended:
                raise broken
            self._at = max(self._at, len(self._text) - len(mark))
            self._grow()
        self._at = found


def bad_json(error: Exception) -> str:
    """Say in a reason why a JSON text cannot be read."""
    if isinstance(error, json.JSONDecodeError):
        message = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" starting at")
        return f"bad JSON: {message} at character {error.pos + 1}"
    if isinstance(error, RecursionError):
        return "bad JSON: nested too deeply"
    return "bad JSON: a number has too many digits"
