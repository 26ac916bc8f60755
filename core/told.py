"""Texts made short for people, and why rows were chosen, told by the texts of target examples."""

import re
from collections.abc import Sequence

_TEXT = 70  # characters of an example that stand for it
_NAME = 60  # characters of a source, a value or another name
_NAMED = 2  # examples named by their text
# What a run says of a row (`core.selection.reasons`), where it names targets by number.
_PULLED = re.compile(r"pulled by targets? (\d+(?:, \d+)*)(?: and (\d+) more)?;")
_FILLS = re.compile(r"fills the budget; nearest target (\d+) ")


def told_by_text(reasons: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Reasons of a stored run with the texts of its target examples, already short."""

    def told(reason: str) -> str:
        if found := _PULLED.match(reason):
            named = [int(number) for number in found[1].split(", ")]
            return pulled_by(named, len(named) + int(found[2] or 0), texts)
        if found := _FILLS.match(reason):
            return fills(int(found[1]), texts)
        return reason

    return [told(reason) for reason in reasons]


def pulled_by(named: Sequence[int], count: int, texts: Sequence[str]) -> str:
    """Say which examples pulled a row: the first of `count` by their text."""
    first = "; ".join(f"“{texts[one]}”" for one in named[:_NAMED])
    more = f" and {count - _NAMED:,} more" if count > _NAMED else ""
    return f"pulled by {first}{more}"


def fills(nearest: int, texts: Sequence[str]) -> str:
    """Say that a row fills the budget, and which example is nearest to it."""
    return f"fills the budget; nearest example “{texts[nearest]}”"


def shortened(text: str, limit: int = _TEXT) -> str:
    """The beginning of a text, in one line."""
    words = " ".join(text.split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def abridged(name: str, limit: int = _NAME) -> str:
    """A name of any length in one line: its beginning and its end, by which names differ."""
    words = " ".join(name.split())
    if len(words) <= limit:
        return words
    end = limit // 3
    return f"{words[: limit - end - 1].rstrip()}…{words[-end:].lstrip()}"
