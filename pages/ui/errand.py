"""A change that takes a while: made beside the page, which goes on and then says what came of it.

Work that only finds something out is for the desk (`pages.ui.background`), which may drop it; a
change, once begun, is made to its end, also when the window is closed meanwhile.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from core.errors import WinnowError
from pages.ui.notice import tell
from pages.ui.text import as_text

T = TypeVar("T")
_KEY = "errand"
_AT_ONCE = 0.4  # seconds in which a quick change is made without a word
_POLL_SECONDS = 0.3


@dataclass
class _Errand:
    """One change: what a person reads while it is made, and what came of it."""

    what: str
    change: Callable[[], Any]
    then: Callable[[Any], None]
    result: Any = None
    error: WinnowError | None = None
    crash: Exception | None = None
    finished: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            self.result = self.change()
        except WinnowError as error:
            self.error = error
        except Exception as error:  # for the page to say; a thread has nobody to tell
            self.crash = error
        self.finished.set()


def start(what: str, change: Callable[[], T], then: Callable[[T], None]) -> None:
    """Begin a change and run the page anew; nothing while another one is made.

    Parameters
    ----------
    what : what is being done, for the strip: "Splitting a cluster".
    change : makes it, without Streamlit.
    then : is called with what `change` returned, on the page, before the page is drawn.
    """
    if not busy():
        errand = st.session_state[_KEY] = _Errand(what, change, then)
        threading.Thread(target=errand.run, name="winnow-errand", daemon=True).start()
        errand.finished.wait(_AT_ONCE)
    st.rerun()


def busy() -> bool:
    """Whether a change of this window is being made."""
    return _KEY in st.session_state


def settle() -> None:
    """Take note of a change that was made; to be called before a page reads the project."""
    errand = st.session_state.get(_KEY)
    if errand is None or not errand.finished.is_set():
        return
    del st.session_state[_KEY]
    if errand.crash is not None:
        raise errand.crash
    if errand.error is not None:
        tell(errand.error, failed=True)
        return
    errand.then(errand.result)


def render() -> None:
    """Say what is being changed, as long as it lasts."""
    errand = st.session_state.get(_KEY)

    @st.fragment(run_every=_POLL_SECONDS if errand else None)
    def watch() -> None:
        if errand is None:
            return
        if errand.finished.is_set():
            st.rerun()
        st.caption(f":material/hourglass_top: {as_text(errand.what)} …", width="content")

    watch()
