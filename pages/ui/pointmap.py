"""The map component: mounts one packed message, returns what the person did on it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import streamlit as st

from core.mapevent import MapEvent, read_event
from core.mappack import PREAMBLE, Focus, split

_FOLDER = Path(__file__).parents[2] / "assets" / "pointmap"

# In the order of their imports: Streamlit runs a component's script from a blob address, from
# which no relative import resolves, so the modules are joined into one.
_MODULES = (
    "payload", "look", "camera", "scene", "pace", "address", "view", "webgl", "raster", "ink",
    "surface", "nearest", "polygon", "loops", "titles", "gestures", "hover", "tip", "brush",
    "legend", "range", "picture", "opened", "pointmap",
)  # fmt: skip


def _script(*modules: str) -> str:
    joined = "\n".join((_FOLDER / f"{name}.js").read_text("utf-8") for name in modules)
    without_imports = re.sub(r"^import .*\n", "", joined, flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", without_imports, flags=re.MULTILINE)


def _register(name: str, attribute: str) -> Callable[..., object]:
    html = (_FOLDER / "pointmap.html").read_text("utf-8")
    return st.components.v2.component(
        name,
        html=html.replace('class="pointmap"', f'class="pointmap" {attribute}', 1),
        css=(_FOLDER / "pointmap.css").read_text("utf-8"),
        js=_script(*_MODULES),
    )


_SIZED = _register("winnow_map", "data-sized")
_FILLING = _register("winnow_map_filling", "data-fill")
# Draws nothing: it brings what a map stands on in a message that Streamlit sends once.
_GROUND = st.components.v2.component(
    "winnow_map_ground",
    html="<span hidden></span>",
    js=_script("payload", "ground"),
    isolate_styles=False,
)
# Draws nothing: it brings the first line of the row on which the pointer rests.
_READER = st.components.v2.component(
    "winnow_map_reader",
    html="<span hidden></span>",
    js=_script("hover", "reader"),
    isolate_styles=False,
)
# Draws nothing: it says which row is open beside the map.
_MARKER = st.components.v2.component(
    "winnow_map_marker",
    html="<span hidden></span>",
    js=_script("opened", "marker"),
    isolate_styles=False,
)

# More of a row does not fit beside a pointer.
LINE_LENGTH = 140


def show_map(
    payload: bytes,
    *,
    key: str,
    height: int | Literal["fill"] = "fill",
    on_event: Callable[[MapEvent], None] | None = None,
    first_line: Callable[[int], str] | None = None,
    focus: Focus | None = None,
    opened: int | None = None,
    addressed: bool = False,
) -> MapEvent | None:
    """Mount the map and return the last gesture made on it.

    Parameters
    ----------
    payload : bytes
        From `core.mappack.pack`. The browser uploads only the parts whose content changed.
    key : str
        Names the map in session state; its last gesture is `st.session_state[key]`.
    height : int or "fill", default="fill"
        Pixels, or down to the bottom of the window.
    on_event : callable, optional
        Called once for each gesture, before the script runs again, so that everything on the
        page (this map included) already shows its effect.
    first_line : callable, optional
        Returns the text of a row, of which `LINE_LENGTH` characters are shown while the pointer
        rests on its point. It is called for that row alone, and the page does not run again.
    focus : Focus, optional
        The map goes to its box once; a later run with the same id leaves the view alone.
    opened : int, optional
        The row that is open beside the map: its point has a ring.
    addressed : bool, default=False
        Whether the address of the page names the view. One map of a page at most.

    Returns
    -------
    MapEvent or None
        The last gesture, again and again in later runs with the same `seq`; None before the
        first, and for a message that is not valid.
    """
    _, rows, clusters, _ = PREAMBLE.unpack_from(payload)

    def event_of(state: object) -> MapEvent | None:
        message = state.get("gesture") if isinstance(state, dict) else None
        event = read_event(message, rows=rows, clusters=clusters)
        return None if event is None or event.kind == "hover" else event

    def called() -> None:
        event = event_of(st.session_state.get(key))
        if event is not None and on_event is not None:
            on_event(event)

    parts = split(payload, key=key, lines=first_line is not None, focus=focus, addressed=addressed)
    with st.container(gap=None):
        _GROUND(data=parts.places, key=f"{key}-places")
        _GROUND(data=parts.groups, key=f"{key}-groups")
        if height == "fill":
            result = _FILLING(data=parts.marks, key=key, on_gesture_change=called)
        else:
            result = _SIZED(data=parts.marks, key=key, height=height, on_gesture_change=called)
        _MARKER(data={"map": parts.name, "row": opened}, key=f"{key}-marker")
        if first_line is not None:
            _read_lines(f"{key}-reader", parts.name, rows, first_line)
    return event_of(result)


@st.fragment
def _read_lines(key: str, name: str, rows: int, first_line: Callable[[int], str]) -> None:
    """Answer what a map called `name` asks for, without running the page."""
    nothing = {"map": name, "row": None, "text": ""}
    told = f"{key}-told"

    def asked() -> None:
        state = st.session_state.get(key)
        message = state.get("asked") if isinstance(state, dict) else None
        event = read_event(message, rows=rows)
        if event is None or event.kind != "hover" or event.row is None:
            st.session_state[told] = nothing
            return
        # The whole of a long row is not worth tidying for its beginning.
        line = " ".join(first_line(event.row)[: 20 * LINE_LENGTH].split())
        cut = line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1].rstrip() + "…"
        st.session_state[told] = {"map": name, "row": event.row, "text": cut}

    answer = st.session_state.get(told, nothing)
    _READER(data=answer if answer["map"] == name else nothing, key=key, on_asked_change=asked)
