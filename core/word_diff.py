"""What differs between two texts, word by word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_WORD = re.compile(r"\w+")
MOST = 1_500  # words and spaces of a text that are compared; beyond, time grows with their square

_AROUND = 6  # words beside a difference that show where it is
_FOLDED = 10  # words that are worth folding; fewer are read as fast as their number

Kind = Literal["same", "folded", "first", "second"]


@dataclass(frozen=True)
class Piece:
    """A stretch of text that both have, or that only one of them has.

    What is `folded` both have, too; it is too far from any difference to be shown.
    """

    kind: Kind
    text: str

    @property
    def words(self) -> int:
        """How many words it has."""
        return len(words_of(self.text))


def words_of(text: str) -> list[str]:
    """The words of a text, without spaces and marks."""
    return _WORD.findall(text)


def word_diff(first: str, second: str) -> list[Piece]:
    """Part two texts into what both have and what only one has.

    The pieces but those of the second text give the first, and the other way round. Words beyond
    the first 1,500 or so of a text count as its own.
    """
    a, b = _WORDS.findall(first), _WORDS.findall(second)
    begin, end = _common_ends(a, b)
    pieces = [Piece("same", "".join(a[:begin]))] if begin else []
    tail = [Piece("same", "".join(a[len(a) - end :]))] if end else []
    a, b = a[begin : len(a) - end], b[begin : len(b) - end]
    matcher = SequenceMatcher(None, a[:MOST], b[:MOST], autojunk=False)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(a[a0:a1])))
            continue
        if a1 > a0:
            pieces.append(Piece("first", "".join(a[a0:a1])))
        if b1 > b0:
            pieces.append(Piece("second", "".join(b[b0:b1])))
    for kind, rest in (("first", a[MOST:]), ("second", b[MOST:])):
        if rest:
            pieces.append(Piece(kind, "".join(rest)))  # type: ignore[arg-type]
    return pieces + tail


def compared(first: str, second: str) -> int:
    """How many words and spaces `word_diff` has to compare: more than `MOST` it does not.

    Those of the longer text, without what both begin and end with.
    """
    a, b = _WORDS.findall(first), _WORDS.findall(second)
    return max(len(a), len(b)) - sum(_common_ends(a, b))


def brief(pieces: Sequence[Piece]) -> list[Piece]:
    """Make the pieces of `word_diff` fit for reading: less is the same.

    A single word, or a mark, that two differences leave between them is a part of both. Of what is
    the same, words near to a difference are shown and the others folded.
    """
    joined = _joined(pieces)
    parts = []
    for at, piece in enumerate(joined):
        if piece.kind == "same":
            parts += _fold(piece, at > 0, at + 1 < len(joined))
        else:
            parts.append(piece)
    return parts


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Differences with hardly anything between them as one, what only the first has in front."""
    joined: list[Piece] = []
    only = {"first": "", "second": ""}

    def flush() -> None:
        joined.extend(Piece(kind, text) for kind, text in only.items() if text)  # type: ignore[arg-type]
        only.update(first="", second="")

    for at, piece in enumerate(pieces):
        if piece.kind != "same":
            only[piece.kind] += piece.text
        elif 0 < at < len(pieces) - 1 and piece.words < 2:
            for kind in only:
                only[kind] += piece.text
        else:
            flush()
            joined.append(piece)
    flush()
    return joined


def _fold(piece: Piece, after: bool, before: bool) -> list[Piece]:
    """Part what is the same; `after` and `before` say whether differences are beside it."""
    words = _words(piece.text)
    first, last = _AROUND * after, len(words) - _AROUND * before
    if last - first < _FOLDED:
        return [piece]
    begin = words[first - 1].end() if first else 0
    end = words[last].start() if before else len(piece.text)
    text = piece.text
    parts = [Piece("same", text[:begin]), Piece("folded", text[begin:end])]
    return [part for part in (*parts, Piece("same", text[end:])) if part.text]


def _words(text: str) -> list[re.Match[str]]:
    return list(_WORD.finditer(text))


def _common_ends(a: list[str], b: list[str]) -> tuple[int, int]:
    """How many words both begin with, and how many others both end with."""
    begin = _common(a, b)
    return begin, _common(a[begin:][::-1], b[begin:][::-1])


def _common(a: list[str], b: list[str]) -> int:
    """How many words both begin with."""
    return next(
        (at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
