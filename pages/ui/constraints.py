"""What every selection must obey: no near-duplicates, SemDeDup, limits of sources and clusters."""

from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.selection.base import Parameter
from core.selection.constraints import Limit
from core.selection.parameters import MAX_COSINE, SEMDEDUP
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_USUAL = 0.95  # cosine of near-duplicates
COSINES = (0.5, 1.0)  # below it nearly all rows are "alike"
_LINES, _TABLE_HEIGHT = 3, 168  # lines to begin with; pixels
_EMPTY = {"group": "string", "fewest": "Int64", "most": "Int64"}


def render_constraints(view: ProjectView) -> dict[str, Any]:
    """Draw the constraints, folded away; return the options of `core.runs.select` that are set."""
    options: dict[str, Any] = {}
    with st.expander("Constraints"):
        cap = _render_cosine(MAX_COSINE, "No near-duplicates", disabled=not view.features_id)
        thinned = _render_cosine(SEMDEDUP, "SemDeDup first", disabled=view.clusters is None)
        limits = _render_limits(view)
    if cap is not None:
        options["max_cosine"] = cap
    if thinned is not None:
        options["semdedup"] = thinned
    if limits:
        options["limits"] = limits
    if options:
        st.caption("Constraints: " + "; ".join(_words(options)))
    return options


def limits_of(table: pd.DataFrame, groups: dict[str, str]) -> list[str]:
    """The limits that the table holds, as `core.selection.constraints` reads them.

    Parameters
    ----------
    table : columns group, fewest and most; lines without a group or without a number do not count.
    groups : ``COLUMN`` or ``COLUMN:GROUP`` for each name in the column `group`.

    Raises
    ------
    InputError
        A line asks for more rows than it allows.
    """
    found = []
    for group, fewest, most in table[list(_EMPTY)].itertuples(index=False):
        if group in groups and not (pd.isna(fewest) and pd.isna(most)):
            low = "" if pd.isna(fewest) else int(fewest)
            high = "" if pd.isna(most) else int(most)
            found.append(f"{groups[group]}={low}..{high}")
    for text in found:
        Limit.parse(text)
    return found


def restore_limits(view: ProjectView, texts: list[str]) -> list[str]:
    """Have the table begin with these limits; return those that it cannot hold."""
    names = {of: name for name, of in _groups(view).items()}
    lines, refused = [], []
    for text in texts:
        try:
            limit = Limit.parse(text)
        except InputError:
            refused.append(text)
            continue
        name = names.get(limit.column if limit.group is None else f"{limit.column}:{limit.group}")
        if name is None:
            refused.append(text)
        else:
            lines.append((name, limit.fewest or pd.NA, pd.NA if limit.most is None else limit.most))
    if lines:
        st.session_state[f"{_key(view)}-last"] = _table(lines)
    return refused


def _key(view: ProjectView) -> str:
    return f"limits-{view.project.name}"


def _table(lines: list[tuple[Any, Any, Any]]) -> pd.DataFrame:
    """These lines, and empty ones up to the number that the table begins with."""
    empty = [(pd.NA, pd.NA, pd.NA)] * (_LINES - len(lines))
    return pd.DataFrame([*lines, *empty], columns=list(_EMPTY)).astype(_EMPTY)


def _render_cosine(of: Parameter, label: str, *, disabled: bool) -> float | None:
    on = st.toggle(
        label, help=of.help, disabled=disabled, key=f"{of.name}-on", persist_state="session"
    )
    if not on or disabled:
        return None
    key = f"{of.name}-cosine"
    st.session_state.setdefault(key, _USUAL)
    return st.slider(
        "Alike above cosine",
        *COSINES,
        step=0.01,
        help="Cosine of two rows' vectors: 1 for copies.",
        key=key,
        persist_state="session",
    )


def _render_limits(view: ProjectView) -> list[str]:
    """A line for each limit, in a table that lies over the page: names are longer than a column."""
    groups = _groups(view)
    key = _key(view)
    given, last = f"{key}-given", f"{key}-last"
    if key not in st.session_state:  # the first time, or another page was shown meanwhile
        st.session_state[given] = st.session_state.get(last, _table([]))
    with st.popover("Limits of sources and clusters", width="stretch", key="limits"):
        st.caption(
            "In each line choose a group, then the fewest or most of its rows. “each source” "
            "limits every source alike, “each cluster” every cluster; a line of one of them goes "
            "before that. Lines without a group or a number do not count."
        )
        table = st.data_editor(
            st.session_state[given],
            column_config={
                "group": st.column_config.SelectboxColumn("Group", options=list(groups), width=250),
                "fewest": st.column_config.NumberColumn("Fewest", min_value=0, step=1, width=75),
                "most": st.column_config.NumberColumn("Most", min_value=0, step=1, width=75),
            },
            num_rows="dynamic",
            hide_index=True,
            width=470,
            height=_TABLE_HEIGHT,  # of its own, so that it does not move when a line is added
            placeholder="",
            key=key,
        )
    st.session_state[last] = table
    try:
        return limits_of(table, groups)
    except InputError as error:
        st.error(as_text(error))
        return []


def _groups(view: ProjectView) -> dict[str, str]:
    """What can have limits: its name in the table, and how a limit calls it."""
    assert view.pool is not None
    found = {"each source": "source"}
    if view.clusters is not None:
        found["each cluster"] = "cluster"
    for name in sorted(view.pool.sources().names):
        found.setdefault(name, f"source:{name}")
    if view.clusters is not None:
        for number, title in enumerate(view.clusters.titles):
            found.setdefault(f"cluster {number} · {title}", f"cluster:{number}")
    return found


def _words(options: dict[str, Any]) -> list[str]:
    words = [_limit_words(Limit.parse(text)) for text in options.get("limits", [])]
    if "max_cosine" in options:
        words.append(f"no two rows above cosine {options['max_cosine']:.2f}")
    if "semdedup" in options:
        words.append(f"SemDeDup at {options['semdedup']:.2f}")
    return words


def _limit_words(limit: Limit) -> str:
    whose = f"each {limit.column}" if limit.group is None else f"{limit.column} {limit.group}"
    if limit.most is None:
        count = f"at least {limit.fewest:,}"
    elif not limit.fewest:
        count = f"at most {limit.most:,}"
    else:
        count = f"{limit.fewest:,} to {limit.most:,}"
    return f"{count} of {as_text(whose)}"
