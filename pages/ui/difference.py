"""Two rows set against each other: marked where a few words differ, else whole, side by side."""

from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from core.turn_diff import APART, RowDiff, TurnDiff, row_diff
from core.word_diff import Piece
from pages.ui.rows import ROLES
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_HEIGHT = 340  # of a long comparison, which scrolls in itself
_LONG = 900  # characters that are shown without a scroll bar
# Struck out or bold, so that the two are told apart without colours, too.
_MARKS = {"first": " :orange-background[~~{}~~] ", "second": " :blue-background[**{}**] "}


def render_difference(view: ProjectView, first: int, second: int) -> None:
    """Draw what differs between two rows, turn by turn."""
    assert view.pool is not None
    one, two = (next(view.pool.records([row])) for row in (first, second))
    diff = row_diff(one, two)
    st.caption(_told(diff))
    if all(turn.same for turn in diff.turns):
        return
    with st.container(height=_HEIGHT if _shown(diff) > _LONG else "content", border=True):
        if any(turn.pieces and not turn.same for turn in diff.turns):
            told = {"first": f"only in row {first:,}", "second": f"only in row {second:,}"}
            st.caption(" ".join(mark.format(told[kind]) for kind, mark in _MARKS.items()))
        if not all(turn.pieces for turn in diff.turns):
            for column, row in zip(st.columns(2), (first, second), strict=True):
                column.markdown(f"**Row {row:,}**")
        for same, turns in groupby(diff.turns, lambda turn: turn.same):
            if same:
                _render_same(list(turns))
            else:
                for turn in turns:
                    _render_turn(turn)


def _told(diff: RowDiff) -> str:
    """How much of two rows differs, in a few words."""
    if all(turn.same for turn in diff.turns):
        return "Both rows have the same text."
    if not diff.differs:
        return _told_of_same_words(diff)
    long = any(turn.reordered and turn.differing <= APART * turn.words for turn in diff.turns)
    order = ", not counting their order" if long else ""
    share = "less than 1%" if diff.differs < 0.01 else f"{diff.differs:.0%}"
    apart = sum(not turn.pieces for turn in diff.turns)
    if not apart:
        return f"{share} of the words differ."
    which = "Long turns and those" if long else "Turns"
    what = "Both are" if apart == len(diff.turns) else f"{which} with little in common are"
    return f"{share} of the words differ{order}. {what} shown whole, side by side."


def _told_of_same_words(diff: RowDiff) -> str:
    """In what two rows differ that have the same words."""
    both = [turn for turn in diff.turns if all(turn.roles)]
    roles = any(turn.roles[0] != turn.roles[1] for turn in both)
    if any(turn.reordered for turn in both):
        return "Both rows have the same words, in another order" + (
            " and in other roles." if roles else "."
        )
    found = {
        "the roles of turns": roles,
        "a turn without words": len(both) < len(diff.turns),
        "spaces, marks and line breaks": any(turn.first != turn.second for turn in both),
    }
    return (
        f"They differ only in {', and in '.join(what for what, is_so in found.items() if is_so)}."
    )


def _shown(diff: RowDiff) -> int:
    """About how many characters are drawn."""
    return sum(
        sum(len(piece.text) for piece in turn.pieces if piece.kind != "folded")
        if turn.pieces
        else max(len(turn.first), len(turn.second))
        for turn in diff.turns
        if not turn.same
    )


def _render_same(turns: Sequence[TurnDiff]) -> None:
    words = sum(turn.words for turn in turns) // 2
    which = _role(turns[0].roles[0]) if len(turns) == 1 else f"{len(turns)} turns"
    st.caption(f"{which}: the same {words:,} words")


def _render_turn(turn: TurnDiff) -> None:
    if turn.pieces:
        st.markdown(
            f":small[:gray[{_role(turn.roles[0])}]]  \n" + "".join(map(_marked, turn.pieces))
        )
        return
    for column, role, text in zip(
        st.columns(2), turn.roles, (turn.first, turn.second), strict=True
    ):
        said = _marked(Piece("same", text)) if role else ":gray[No such turn]"
        column.markdown(f":small[:gray[{_role(role)}]]  \n{said}" if role else said)


def _role(role: str) -> str:
    return ROLES.get(role, role.capitalize())


def _marked(piece: Piece) -> str:
    if piece.kind == "folded":
        return f" :gray[… {piece.words:,} words alike …] "
    # A line break ends a mark, and markup must not begin or end with a space.
    lines = (as_text(line) for line in piece.text.split("\n"))
    mark = _MARKS.get(piece.kind, " {} ")
    return "  \n".join(mark.format(line) if line else "" for line in lines)
