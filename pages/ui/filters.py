"""Filters on the map page: histograms whose bars select, each counting what the others leave."""

from functools import partial
from typing import Any

import streamlit as st

from core.errors import WinnowError
from core.facet_columns import Column
from core.facets import Facets, label_of
from pages.ui.background import Task, desk, follow, result_of, session_id
from pages.ui.facet_charts import chosen_filter, show_facets
from pages.ui.selection import filters_of, set_filters
from pages.ui.state import ProjectView
from pages.ui.text import as_text

PANEL = "Filters"  # of the map page
_USUAL = ("length", "quality", "density", "source", "tag")
_ADDED = "facet-columns"  # in session state: those that a person asked for, by project
_WAIT_SECONDS = 0.8  # for columns that are not read yet


def render(view: ProjectView) -> None:
    """Draw the histograms, and the choice of further columns."""
    facets = view.facets
    filters, base = filters_of(view)
    names = facets.names()
    added = [name for name in _added(view) if name in names]
    usual = [name for name in _USUAL if name in names and _varied(facets, name)]
    wanted = dict.fromkeys([*usual, *added, *(rule.column for rule in filters)])
    shown = _read(view, facets, list(wanted))
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.selectbox(
            "Add a column",
            [name for name in facets.offered() if name not in wanted],
            index=None,
            format_func=label_of,
            key="facet-add",
            placeholder="Add a column",
            label_visibility="collapsed",
            on_change=_add,
            args=(view,),
        )
        st.button(
            "Clear filters",
            disabled=not filters,
            on_click=set_filters,
            args=(view, facets, ()),
            width="content",
        )
    if not shown:
        return
    try:
        found = facets.histograms(shown, filters, base.rows if base else None)
    except WinnowError as error:  # a value that is gone with its tag, say
        st.error(as_text(error))
        return
    show_facets(
        found, filters, added, key="facets", on_choice=partial(_choose, view, facets)
    )  # fmt: skip
    st.caption("Click a bar, or drag across several. Grey: all kept rows; blue: what is found.")


def _varied(facets: Facets, name: str) -> bool:
    """Whether it says anything: a single source does not."""
    return name != "source" or len(facets.pool.sources().names) > 1


def _read(view: ProjectView, facets: Facets, names: list[str]) -> list[str]:
    """Have the columns read, and return those that are; what takes long comes later."""
    late = [name for name in names if not facets.ready(name)]
    made = (facets.pool.fingerprint, view.layout_id, view.clusters and view.clusters.fingerprint)
    tasks = {}
    for name in late:
        key = ("facet", str(view.project.root), *made, name)
        slot = (session_id(), "facet", name)
        tasks[name] = desk().ask(slot, key, partial(_load, facets, name), wait=0)
    if late:  # they are read one after the other
        tasks[late[-1]].finished.wait(_WAIT_SECONDS)
    waiting = {name: task for name, task in tasks.items() if not task.finished.is_set()}
    refused = set()
    for name in tasks.keys() - waiting.keys():
        try:
            result_of(tasks[name])
        except WinnowError as error:
            st.error(as_text(error))
            _remove(view, name)
            refused.add(name)
    if waiting:
        follow(list(waiting.values()), "Reading columns: ")
    return [name for name in names if name not in waiting and name not in refused]


def _load(facets: Facets, name: str, task: Task) -> Column:
    task.progress(0, 0, f"reading {name}")
    return facets.column(name)


def _added(view: ProjectView) -> list[str]:
    found: dict[str, list[str]] = st.session_state.setdefault(_ADDED, {})
    return found.setdefault(str(view.project.root), [])


def _add(view: ProjectView) -> None:
    name = st.session_state["facet-add"]
    st.session_state["facet-add"] = None  # it is free for the next one
    if name and name not in _added(view):
        _added(view).append(name)


def _remove(view: ProjectView, name: str) -> None:
    if name in _added(view):
        _added(view).remove(name)


def _choose(view: ProjectView, facets: Facets, choice: dict[str, Any]) -> None:
    """Follow a choice on the histograms."""
    name = choice.get("column")
    if not isinstance(name, str) or not facets.ready(name):
        return
    if choice.get("remove"):
        _remove(view, name)
        return
    filters, _ = filters_of(view)
    now = next((rule for rule in filters if rule.column == name), None)
    rule = chosen_filter(choice, facets.column(name), now)
    others = [one for one in filters if one.column != name]
    set_filters(view, facets, [*others, rule] if rule else others)
