"""What differs between two rows, turn by turn, and word by word where that can be read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import zip_longest

from core.records import Record
from core.turns import Turn
from core.word_diff import MOST, Piece, brief, compared, word_diff, words_of

# Share of words that differ above which marks would hide what both rows say.
APART = 0.5


@dataclass(frozen=True)
class TurnDiff:
    """A turn of one row against a turn of another.

    Attributes
    ----------
    roles : of both turns; "text" for a row without turns, "" where a row has no such turn.
    first, second : what they say; "" where a row has no such turn.
    pieces : as of `core.word_diff.brief`; none where the two are to be read side by side.
    words : of both.
    in_order : whether the words were compared in the order in which they stand.
    differing : those of them that only one has; in whatever order, where that was not compared.
    """

    roles: tuple[str, str]
    first: str
    second: str
    pieces: tuple[Piece, ...]
    words: int
    in_order: bool
    differing: int

    @property
    def same(self) -> bool:
        """Whether both say the same, in the same role."""
        return self.roles[0] == self.roles[1] and self.first == self.second

    @property
    def reordered(self) -> bool:
        """Whether the words stand in another order, which was not compared."""
        return not self.in_order and words_of(self.first) != words_of(self.second)


@dataclass(frozen=True)
class RowDiff:
    """The turns of two rows, each beside the one that stands in its place."""

    turns: tuple[TurnDiff, ...]

    @property
    def differs(self) -> float:
        """Share of the words of both rows that only one of them has; 0 to 1."""
        words = sum(turn.words for turn in self.turns)
        return sum(turn.differing for turn in self.turns) / words if words else 0.0


def row_diff(first: Record, second: Record) -> RowDiff:
    """Set two rows against each other.

    Turns that are equal stand side by side, and so do those between them, one after the other;
    then the words of each two are compared. Where more than `APART` of them differ, or where a
    long row leaves no time for that, both turns are to be read whole; and so are all of two rows
    that differ in more than that.
    """
    turns = []
    left = MOST
    for one, two in _aligned(_turns(first), _turns(second)):
        turn = _turn_diff(one, two, left)
        if turn.in_order:
            left -= compared(turn.first, turn.second)
        turns.append(turn)
    found = RowDiff(tuple(turns))
    if found.differs > APART:
        turns = [turn if turn.same else replace(turn, pieces=()) for turn in turns]
    return RowDiff(tuple(turns))


def _turns(record: Record) -> Sequence[Turn]:
    return record.turns or (Turn("text", record.body),)


def _aligned(
    first: Sequence[Turn], second: Sequence[Turn]
) -> Iterator[tuple[Turn | None, Turn | None]]:
    # A system turn has no other turn in its place.
    if first[0].role == "system" != second[0].role:
        yield first[0], None
        first = first[1:]
    elif second[0].role == "system" != first[0].role:
        yield None, second[0]
        second = second[1:]
    a, b = ([(turn.role, turn.said) for turn in turns] for turns in (first, second))
    for _, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        yield from zip_longest(first[a0:a1], second[b0:b1])


def _turn_diff(first: Turn | None, second: Turn | None, left: int) -> TurnDiff:
    """Compare two turns, word by word if no more than `left` of them are to be compared."""
    roles = (first.role if first else "", second.role if second else "")
    one, two = first.said if first else "", second.said if second else ""
    a, b = words_of(one), words_of(two)
    words = len(a) + len(b)
    if first is None or second is None:
        return TurnDiff(roles, one, two, (), words, False, words)
    # As many as both have in whatever order: more than in the order in which they stand.
    differing = words - 2 * (Counter(a) & Counter(b)).total()
    pieces: tuple[Piece, ...] = ()
    alike = differing <= APART * words and roles[0] == roles[1]
    in_order = alike and compared(one, two) <= left
    if in_order:
        found = word_diff(one, two)
        differing = sum(piece.words for piece in found if piece.kind != "same")
        if differing <= APART * words:
            pieces = tuple(brief(found))
    return TurnDiff(roles, one, two, pieces, words, in_order, differing)
