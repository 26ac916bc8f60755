"""What was just done, said at the foot of the window with a way to take it back.

Toasts would lie over the card of the selection, and outlive what they speak of.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import streamlit as st

from core.decisions import ACTIONS, Decisions
from core.errors import WinnowError
from pages.ui.component import declare
from pages.ui.state import ProjectView

Way = Literal["undo", "redo", "edit"]  # of decisions, or of an edit of clusters

_COMPONENT = declare("notice")
_KEY = "notice"
_WIDGET = "notice-widget"
_PRESSED = "notice-pressed"
_PARTS, _PART = 3, 60  # of an address that cannot be read: how many are named, characters of each
_LABELS: dict[Way, str] = {"undo": "Undo", "redo": "Redo", "edit": "Undo"}


@dataclass(frozen=True)
class Notice:
    """A sentence, plain text, and what its button does as long as `of` is what comes next.

    Attributes
    ----------
    of : id of the entry of the log that would be undone or redone; fingerprint of the clusters.
    failed : whether it says why something was not done; it then stays until it is closed.
    """

    id: str
    text: str
    way: Way | None = None
    of: Hashable = None
    failed: bool = False


def tell(text: object, *, failed: bool = False) -> None:
    """Say something, in place of what was said before."""
    _put(str(text), failed=failed)


def tell_unread(parts: Sequence[str]) -> None:
    """Say which parts of the address, such as ``ratio=7``, are nothing that can be shown."""
    if not parts:
        return
    named = ", ".join(repr(part[:_PART]) for part in parts[:_PARTS])
    more = f" and {len(parts) - _PARTS:,} more" if len(parts) > _PARTS else ""
    tell(
        f"The address asks for what this project does not know: {named}{more}. This page shows "
        "what it can without that.",
        failed=True,
    )


def tell_decision(state: Decisions, text: str, way: Way = "undo") -> None:
    """Say what was decided, undone or redone, with a button that undoes that, or redoes it."""
    _put(text, way, _next(state, way))


def tell_edit(fingerprint: str, text: str) -> None:
    """Say which edit made the clusters of this fingerprint, with a button that takes it back."""
    _put(text, "edit", fingerprint)


def attempt(change: Callable[..., Any], *arguments: Any) -> None:
    """Make a change that takes a moment; say why not where it cannot be made. For a callback."""
    made(change, *arguments)


def made(change: Callable[..., Any], *arguments: Any) -> bool:
    """As `attempt`; whether it was made."""
    try:
        change(*arguments)
    except WinnowError as error:
        tell(error, failed=True)
        return False
    return True


def forget() -> None:
    """Say nothing any more: it was of another project."""
    st.session_state.pop(_KEY, None)


def render(view: ProjectView | None) -> None:
    """Draw what was said last; to be called where the page ends, whatever it said."""
    said = st.session_state.get(_KEY)
    data = None
    if isinstance(said, Notice) and view and _is_over(view, said):
        forget()
    elif isinstance(said, Notice):
        act = _LABELS[said.way] if said.way and view and _stands(view, said) else ""
        data = {"id": said.id, "text": said.text, "failed": said.failed, "act": act}
    _COMPONENT(data=data, key=_WIDGET, on_pressed_change=_press)


def edit_told(view: ProjectView) -> str:
    """The edit of clusters that was said last, if it can be taken back; "" otherwise."""
    said = st.session_state.get(_KEY)
    if isinstance(said, Notice) and said.way == "edit" and _stands(view, said):
        return said.text
    return ""


def take_edit_back() -> None:
    """As if the button of the edit that was said last were pressed; for a callback."""
    said = st.session_state.get(_KEY)
    if isinstance(said, Notice) and said.way == "edit":  # who presses twice means once
        st.session_state[_PRESSED] = said
        forget()


def pressed(view: ProjectView) -> Way | None:
    """What the button that was just pressed is to do, if that is still what comes next."""
    said = st.session_state.pop(_PRESSED, None)
    return said.way if isinstance(said, Notice) and _stands(view, said) else None


def _put(text: str, way: Way | None = None, of: Hashable = None, failed: bool = False) -> None:
    st.session_state[_KEY] = Notice(uuid4().hex, text, way, of, failed)


def _press() -> None:
    state, said = st.session_state.get(_WIDGET), st.session_state.get(_KEY)
    asked = state.get("pressed") if isinstance(state, dict) else None
    if isinstance(said, Notice) and asked == said.id:
        st.session_state[_PRESSED] = said
        forget()


def _next(state: Decisions, way: Way) -> int | None:
    entry = state.to_redo if way == "redo" else state.to_undo
    return entry.id if entry else None


def _is_over(view: ProjectView, said: Notice) -> bool:
    """Whether what was said of a decision was turned round elsewhere."""
    entry = next((one for one in view.decisions.log if one.id == said.of), None)
    if entry is None or entry.action not in ACTIONS or said.way not in ("undo", "redo"):
        return False
    return entry.active == (said.way == "redo")


def _stands(view: ProjectView, said: Notice) -> bool:
    if said.way == "edit":
        return view.clusters is not None and view.clusters.fingerprint == said.of
    return said.way is not None and _next(view.decisions, said.way) == said.of
