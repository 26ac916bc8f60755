"""The settings of the Select page in its address, named as the command line's options are.

A reload or a sent link shows the same selection.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import accumulate
from typing import Any
from urllib.parse import quote

import streamlit as st

from core.errors import InputError
from core.selection import RULES, Parameter, Rule
from core.selection.parameters import MAX_COSINE, SEMDEDUP
from core.targets import list_targets
from pages.ui.constraints import COSINES, restore_limits
from pages.ui.notice import tell_unread
from pages.ui.parameters import slider_range
from pages.ui.settings import LARGEST_SEED, LENGTH, RATIO, RATIOS, Settings, group_columns
from pages.ui.state import ProjectView

_READ = "select-link-read"
_LIMIT = "limit"
_ROOM = 1500  # characters of limits: browsers and servers take 2,000 of an address at least
_CAPS = (MAX_COSINE, SEMDEDUP)
_NAMES = {
    *("method", "target", "quality", "by", "ratio", "budget", "seed"),
    *(cap.name for cap in _CAPS),
    *(parameter.name for rule in RULES.values() for parameter in rule.parameters),
}


def restore(view: ProjectView) -> None:
    """Take over what the address says; once in a session, before the settings are drawn.

    What it says of things that are not there, or outside their range, is left at its default, and
    that is said: other rows are chosen.
    """
    if st.session_state.get(_READ):
        return
    st.session_state[_READ] = True
    pool = view.pool
    assert pool is not None
    targets = [info.name for info in list_targets(view.project)]
    unread: list[str] = []
    take = partial(_take, unread)
    take("method", lambda text: _one_of(text, list(RULES)))
    take("target", lambda text: _one_of(text, targets))
    take("quality", lambda text: _one_of(text, [*pool.number_columns(), LENGTH]))
    take("by", lambda text: _one_of(text, group_columns(view)))
    take("ratio", lambda text: _within(round(100 * float(text), 4), *RATIOS))
    take("budget", lambda text: _within(int(text), 1, pool.rows))
    take("seed", lambda text: _within(int(text), 0, LARGEST_SEED))
    for cap in _CAPS:
        if take(cap.name, lambda text: _within(float(text), *COSINES), f"{cap.name}-cosine"):
            st.session_state[f"{cap.name}-on"] = True
    rule = RULES.get(st.query_params.get("method", ""))
    if rule is not None:
        _take_parameters(rule, unread)
    limits = st.query_params.get_all(_LIMIT)
    kept = fitting(limits)
    refused = [*restore_limits(view, kept), *limits[len(kept) :]]
    tell_unread([*unread, *(f"{_LIMIT}={limit}" for limit in refused)])


def write(settings: Settings) -> None:
    """Bring the address up to date: what was chosen, and what is not at its default."""
    said: dict[str, Any] = {"method": settings.rule.id, **settings.options}
    limits = said.pop("limits", [])
    if st.session_state.get("budget") is not None:
        said["budget"] = settings.budget
    elif st.session_state["ratio"] != RATIO:
        said["ratio"] = round(st.session_state["ratio"] / 100, 6)
    if settings.seed:
        said["seed"] = settings.seed
    for parameter in settings.rule.parameters:
        value = settings.parameters[parameter.name]
        if value != parameter.default:
            said[parameter.name] = value
    wanted = {name: str(value) for name, value in said.items() if value is not None}
    for name in _NAMES:
        if name not in wanted:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
    _write_limits(limits)


def fitting(limits: list[str]) -> list[str]:
    """The first limits, as many as an address has room for."""
    lengths = accumulate(len(quote(limit)) for limit in limits)
    return [limit for limit, length in zip(limits, lengths, strict=True) if length <= _ROOM]


def _write_limits(limits: list[str]) -> None:
    kept = fitting(limits)
    if len(kept) < len(limits):
        st.caption(
            f"The address has room for {len(kept):,} of the {len(limits):,} limits: a reload "
            "forgets the others. A saved run keeps all."
        )
    if not kept:
        st.query_params.pop(_LIMIT, None)
    elif st.query_params.get_all(_LIMIT) != kept:
        st.query_params[_LIMIT] = kept


def _take_parameters(rule: Rule, unread: list[str]) -> None:
    for parameter in rule.parameters:
        key = f"{rule.id}-{parameter.name}"
        taken = _take(unread, parameter.name, partial(_value, parameter), key)
        if taken and parameter.automatic and parameter.kind != "scale":
            st.session_state[f"{key}-auto"] = False


def _value(parameter: Parameter, text: str) -> Any:
    """The value of the parameter's widget."""
    value = parameter.check(text)
    if parameter.kind == "scale":
        return str(value)  # a field of text
    if parameter.kind == "choice":
        return value
    return _within(float(value), *slider_range(parameter))


def _take(unread: list[str], name: str, read: Callable[[str], Any], key: str = "") -> bool:
    """Set a widget to what the address says; where that cannot be used, add it to `unread`."""
    text = st.query_params.get(name)
    if text is None:
        return False
    with suppress(InputError, ValueError, OverflowError):
        st.session_state[key or name] = read(text)
        return True
    unread.append(f"{name}={text}")
    return False


def _one_of(text: str, options: list[str]) -> str:
    if text not in options:
        raise ValueError
    return text


def _within(value: Any, low: float, high: float) -> Any:
    if not low <= value <= high:
        raise ValueError
    return value
