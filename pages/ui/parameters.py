"""Widgets for the parameters of rules, trainers and scorers, generated from their registries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import streamlit as st

from core.refinement.parameters import Text
from core.selection import Parameter, Rule

_SLIDER = (0.5, 10.0)  # the ranges that a slider of steps of 0.01 covers well


class Described(Protocol):
    """What has an id and parameters: a rule, a trainer, a scorer."""

    @property
    def id(self) -> str:
        """The name in commands."""
        ...

    @property
    def parameters(self) -> Sequence[Parameter | Text]:
        """What everyone can set."""
        ...


def render_parameters(rule: Rule, *, simple: bool) -> dict[str, Any]:
    """Draw widgets for the sliders and choices of `rule` (`simple`), or for what few people set."""
    return render_some(rule, [one for one in rule.parameters if (one.kind != "scale") == simple])


def render_some(of: Described, parameters: Sequence[Parameter | Text]) -> dict[str, Any]:
    """Draw widgets for some parameters of a rule, a trainer or a scorer; return their values."""
    return {one.name: _widget(of, one) for one in parameters}


def _widget(rule: Described, parameter: Parameter | Text) -> Any:
    key = f"{rule.id}-{parameter.name}"
    label, meaning = parameter.label, parameter.help
    if isinstance(parameter, Text):
        st.session_state.setdefault(key, parameter.default or "")
        text: str = st.text_input(label, help=meaning, key=key, persist_state="session")
        return text.strip() or None
    if parameter.automatic and parameter.kind != "scale":
        return _automatic_slider(rule, parameter)
    # Not as the widget's own default: the address may have set it.
    is_text = parameter.kind == "scale"
    st.session_state.setdefault(key, str(parameter.default) if is_text else parameter.default)
    if parameter.kind == "choice":
        return st.segmented_control(
            label,
            parameter.choices,
            required=True,
            help=meaning,
            key=key,
            persist_state="session",
        )
    if parameter.kind == "scale":
        text = st.text_input(label, help=meaning, key=key, persist_state="session").strip()
        try:
            return text if text == "auto" else float(text)
        except ValueError:
            st.error(f"{label} takes auto or a number.")
            return parameter.default
    if parameter.kind == "int":
        return st.number_input(
            label, parameter.low, parameter.high, help=meaning, key=key, persist_state="session"
        )
    low, high = slider_range(parameter)
    if not _SLIDER[0] <= high - low <= _SLIDER[1]:
        return st.number_input(
            label,
            low,
            high,
            step=float(parameter.default) / 10,
            format="%g",
            help=meaning,
            key=key,
            persist_state="session",
        )
    return st.slider(label, low, high, step=0.01, help=meaning, key=key, persist_state="session")


def slider_range(parameter: Parameter) -> tuple[float, float]:
    """The values that a parameter's slider covers, ends included."""
    return float(parameter.low or 0), float(parameter.high or 1)


def _automatic_slider(rule: Described, parameter: Parameter) -> Any:
    """A slider that stands where "auto" came to, until it is moved by hand."""
    low, high = slider_range(parameter)
    key = f"{rule.id}-{parameter.name}"
    switch = f"{key}-auto"
    if st.session_state.setdefault(switch, parameter.default == "auto"):
        st.session_state[key] = st.session_state.get(_came_to(key), round((low + high) / 2, 2))
    _apply_put(key, switch)
    open_yet = st.session_state[switch] and _came_to(key) not in st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = st.slider(
            parameter.label,
            low,
            high,
            step=0.01,
            format="…" if open_yet else None,
            help=parameter.help,
            key=key,
            persist_state="session",
            on_change=_moved,
            args=(key, switch),
        )
        automatic = st.toggle(
            "Auto",
            key=switch,
            persist_state="session",
            help="Worked out from the data and the budget.",
        )
    st.session_state.pop(_put(key), None)
    return "auto" if automatic else value


def _moved(key: str, switch: str) -> None:
    # A browser that is late says where "auto" stood before, then where it stands: nobody's hand.
    state = st.session_state
    if state[key] not in (state.get(_came_to(key)), state.get(_stood_before(key))):
        state[switch] = False


@dataclass(frozen=True)
class _Put:
    """Where a slider will be moved, and how slider and switch stood when that was asked for."""

    value: float
    stood: float | None
    automatic: bool


def put(rule: Rule, name: str, value: float) -> None:
    """Move the slider of an automatic parameter as a hand would, when the page draws it next.

    Not in the slider's own state: until it is drawn anew, a browser says where it stood.
    """
    key = f"{rule.id}-{name}"
    state = st.session_state
    state[_put(key)] = _Put(value, state.get(key), bool(state.get(f"{key}-auto")))


def put_aside(rule: Rule, name: str) -> float | None:
    """Where the slider will be moved; None where it stands there already."""
    waiting: _Put | None = st.session_state.get(_put(f"{rule.id}-{name}"))
    return waiting.value if waiting else None


def _apply_put(key: str, switch: str) -> None:
    """Move a slider that waits for it, unless a hand moved it or turned "auto" on since."""
    state = st.session_state
    waiting: _Put | None = state.get(_put(key))
    if waiting is None:
        return
    # A browser that is late says where it was put the time before, or where it stood then.
    own = (waiting.stood, waiting.value, state.get(_put_before(key)))
    if waiting.automatic >= state[switch] and (state[switch] or state[key] in own):
        state[key], state[switch] = waiting.value, False
        state[_put_before(key)] = waiting.value


def show_automatic(rule: Rule, name: str, value: float) -> None:
    """Put the slider of an automatic parameter where "auto" came to, which draws the page again."""
    parameter = next(one for one in rule.parameters if one.name == name)
    key = f"{rule.id}-{name}"
    shown = min(round(value, 2), float(parameter.high or 1))  # it may come to 0.996
    if st.session_state.get(_came_to(key)) != shown:
        st.session_state[_stood_before(key)] = st.session_state[key]
        st.session_state[_came_to(key)] = shown
        st.rerun()


def _came_to(key: str) -> str:
    return f"{key}-came-to"


def _stood_before(key: str) -> str:
    return f"{key}-stood-before"


def _put(key: str) -> str:
    return f"{key}-put"


def _put_before(key: str) -> str:
    return f"{key}-put-before"
