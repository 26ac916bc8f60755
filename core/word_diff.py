"""What differs between two texts, word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MOST = 1_500  # words and spaces of a text that are compared; beyond, time grows with their square

Kind = Literal["same", "first", "second"]


@dataclass(frozen=True)
class Piece:
    """A stretch of text that both have, or that only one of them has."""

    kind: Kind
    text: str


def word_diff(first: str, second: str) -> list[Piece]:
    """Part two texts into what both have and what only one has.

    The pieces but those of the second text give the first, and the other way round. Words beyond
    the first 1,500 or so of a text count as its own.
    """
    a, b = _WORDS.findall(first), _WORDS.findall(second)
    begin = _common(a, b)
    end = _common(a[begin:][::-1], b[begin:][::-1])
    pieces = [Piece("same", "".join(a[:begin]))] if begin else []
    tail = [Piece("same", "".join(a[len(a) - end :]))] if end else []
    a, b = a[begin : len(a) - end], b[begin : len(b) - end]
    matcher = SequenceMatcher(None, a[:_MOST], b[:_MOST], autojunk=False)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(a[a0:a1])))
            continue
        if a1 > a0:
            pieces.append(Piece("first", "".join(a[a0:a1])))
        if b1 > b0:
            pieces.append(Piece("second", "".join(b[b0:b1])))
    for kind, rest in (("first", a[_MOST:]), ("second", b[_MOST:])):
        if rest:
            pieces.append(Piece(kind, "".join(rest)))  # type: ignore[arg-type]
    return pieces + tail


def _common(a: list[str], b: list[str]) -> int:
    """How many words both begin with."""
    return next(
        (at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
