"""Texts and names made short for people."""

_TEXT = 70  # characters of an example that stand for it
_NAME = 60  # characters of a source, a value or another name


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


def counted(rows: int) -> str:
    """A number of rows, for a sentence."""
    return f"{rows:,} row{'s' * (rows != 1)}"
