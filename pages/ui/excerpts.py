"""A line of a row: its beginning, or where the words stand that were looked for, marked."""

from collections.abc import Sequence

from core.view_link import Step
from core.word_search import Term, places, terms
from pages.ui.text import as_text

_LENGTH = 110  # characters
_BEFORE = 40  # of them before the first word


def wanted_words(steps: Sequence[Step]) -> list[Term]:
    """The words by which a selection came about."""
    return [term for step in steps if step.kind == "words" for term in terms(step.value)]


def excerpt(texts: Sequence[str], wanted: Sequence[Term]) -> str:
    """Markdown of one line of the first of some texts that has a wanted word, else of the first.

    It begins and ends with whole words where the text has spaces.
    """
    lines = [" ".join(text.split()) for text in texts]
    for line in lines:
        found = places(line, list(wanted))
        if found:
            return _marked(line, _begin(line, found[0][0]), found)
    return _marked(lines[0], 0, [])


def _begin(line: str, word: int) -> int:
    """Where to begin so that the letter at `word` is seen with some words before it."""
    first = word - _BEFORE
    if first <= 0:
        return 0
    # A space just before is the end of a word; without any, the text has none to part it by.
    return line.find(" ", first - 1, word) + 1 or first


def _end(line: str, first: int, word: int) -> int:
    """Where to end what begins at `first`, after the first marked word, which ends at `word`."""
    last = first + _LENGTH
    if last >= len(line):
        return len(line)
    space = line.rfind(" ", max(first + _LENGTH // 2, word), last + 1)
    return last if space < 0 else space


def _marked(line: str, first: int, found: list[tuple[int, int]]) -> str:
    """The part of a line that begins at `first`, with what was found in it marked."""
    last = _end(line, first, found[0][1] if found else first)
    parts, at = ["…" if first else ""], first
    for start, stop in found:
        if start >= last:
            break
        parts += [_escaped(line[at:start]), f":orange-background[{_escaped(line[start:stop])}]"]
        at = stop
    last = max(at, last)
    parts += [_escaped(line[at:last]), "…" if last < len(line) else ""]
    return "".join(parts)


def _escaped(text: str) -> str:
    """As `as_text`, with the spaces at the ends."""
    words = as_text(text)
    return f"{' ' * text[:1].isspace()}{words}{' ' * text[-1:].isspace()}" if words else text
