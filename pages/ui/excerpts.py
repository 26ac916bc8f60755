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
    """Markdown of one line of the first of some texts that has a wanted word, else of the first."""
    lines = [" ".join(text.split()) for text in texts]
    for line in lines:
        found = places(line, list(wanted))
        if found:
            return _marked(line, max(0, found[0][0] - _BEFORE), found)
    return _marked(lines[0], 0, [])


def _marked(line: str, first: int, found: list[tuple[int, int]]) -> str:
    """The part of a line that begins at `first`, with what was found in it marked."""
    last = first + _LENGTH
    parts, at = ["…" if first else ""], first
    for start, stop in found:
        if start >= last:
            break
        parts += [_escaped(line[at:start]), f":orange-background[{_escaped(line[start:stop])}]"]
        at = stop
    parts += [_escaped(line[at : max(at, last)]), "…" if last < len(line) else ""]
    return "".join(parts)


def _escaped(text: str) -> str:
    """As `as_text`, with the spaces at the ends."""
    words = as_text(text)
    return f"{' ' * text[:1].isspace()}{words}{' ' * text[-1:].isspace()}" if words else text
