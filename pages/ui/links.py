"""What the map page shows, in its address: a reload or a sent link shows the same."""

from dataclasses import replace
from functools import partial

import streamlit as st

from core.errors import InputError, WinnowError
from core.search import Found
from core.step_words import in_words
from core.view_link import Step, follow_steps, read_steps, split_filters, write_steps
from pages.ui.background import Task, desk, follow, result_of, session_id
from pages.ui.encoder import loaded_encoder
from pages.ui.mapview import ground
from pages.ui.notice import tell, tell_unread
from pages.ui.reader import open_row
from pages.ui.selection import (
    Ranked,
    RowSelection,
    clear_selection,
    filtered,
    put_selection,
    ranked_by,
    selected,
    stored,
)
from pages.ui.state import ProjectView
from pages.ui.travel import travelled

_READ = "link-read"
_CHOICES = {"color", "column", "first", "second", "panel", "line"}
_WAIT_SECONDS = 0.8  # for a selection by meaning, which may have to load the encoder


def restore(
    view: ProjectView, choices: dict[str, tuple[str, ...]], defaults: dict[str, str]
) -> None:
    """Take over what the address says, before anything of it is drawn.

    Once in a session, and whenever a person went back or forward to it.

    Parameters
    ----------
    choices : what each part of the address may be, and so the widget of that key.
    defaults : what some of them are where the address says nothing.
    """
    if travelled():
        _forget(view, defaults)
    if st.session_state.get(_READ):
        return
    params = st.query_params
    for name, options in choices.items():
        if params.get(name) in options:
            st.session_state.setdefault(f"map-{name}", params[name])
    done = True
    try:
        text = params.get("sel")
        if text is not None and selected(view) is None:
            done = _select(view, text, params.get("of") == "dropped")
        row = params.get("row", "")
        if row.isascii() and row.isdecimal() and len(row) < 12 and view.pool is not None:
            if int(row) >= view.pool.rows:
                raise InputError(f"There is no row {int(row):,} in this project.")
            open_row(int(row))
        if done:
            named = sorted(params.keys() & choices.keys())
            tell_unread([f"{x}={params[x]}" for x in named if params[x] not in choices[x]])
    except WinnowError as error:
        tell(error, failed=True)
    finally:
        # Whatever went wrong would go wrong again.
        if done:
            st.session_state[_READ] = True


def _forget(view: ProjectView, defaults: dict[str, str]) -> None:
    """Forget what is shown and the address does not name, so that this is read once more."""
    params = st.query_params
    st.session_state[_READ] = False
    now = _said(view)
    if any(params.get(name) != now[name] for name in ("sel", "of")):
        clear_selection()
    st.session_state.pop("picked", None)
    for name in _CHOICES:
        if name in params:
            st.session_state.pop(f"map-{name}", None)
        elif name in defaults:
            st.session_state[f"map-{name}"] = defaults[name]


def _said(view: ProjectView) -> dict[str, str | None]:
    """How the address names what is selected and read."""
    chosen, picked = stored(view), st.session_state.get("picked")
    steps = write_steps(chosen.steps) if chosen and chosen.steps else None
    return {
        "sel": steps,
        "of": "dropped" if steps and chosen and chosen.dropped else None,
        "row": str(picked) if isinstance(picked, int) else None,
    }


def write(view: ProjectView, defaults: dict[str, str]) -> None:
    """Bring the address up to date, unless what it says is still being worked out."""
    if not st.session_state.get(_READ):
        return
    wanted = _said(view)
    for name in st.query_params.keys() & _CHOICES - defaults.keys():
        wanted[name] = None
    for name, default in defaults.items():
        value = st.session_state.get(f"map-{name}", default)
        wanted[name] = value if value != default else None
    now = st.query_params.to_dict()
    then = {name: value for name, value in (now | wanted).items() if value is not None}
    if then != now:  # all of it at once: it is one entry of the browser's history
        st.query_params.from_dict(then)


def _select(view: ProjectView, text: str, dropped: bool) -> bool:
    """Select what the address names; False while that is worked out."""
    steps, clusters, features = read_steps(text), view.clusters, view.features
    assert clusters is not None and features is not None
    points, seen, pool = ground(view).points, view.seen, view.pool
    first, filters = (steps, ()) if dropped else split_filters(steps)
    facets = view.facets

    def work(task: Task) -> RowSelection:
        by_meaning = any(step.kind == "meaning" for step in steps)
        encoder = loaded_encoder(features, task) if by_meaning else None
        select = partial(
            follow_steps, seen, points=points, clusters=clusters, dropped=dropped,
            pool=pool, facets=facets, encoder=encoder, progress=task.progress,
        )  # fmt: skip

        def made(found: Found, steps: tuple[Step, ...]) -> RowSelection:
            root, origin = str(view.project.root), in_words(steps, clusters.titles)
            return RowSelection(
                root, found.rows, origin, steps, cosines=found.cosines, dropped=dropped
            )

        earlier = select(first[:-1])
        found = select(first[-1:], start=earlier)
        base = made(found, first)
        if found.ranking is not None:
            own = in_words(first[-1:], clusters.titles)
            before = made(earlier, first[:-1])
            last = Ranked(found.ranking, first[-1], own, before, ranked_by(view))
            base = replace(base, ranked=last)
        return filtered(view, facets, base if first else None, filters) if filters else base

    made = (features.fingerprint, clusters.fingerprint, view.layout_id, view.log_id)
    key = ("link", str(view.project.root), *made, text, dropped)
    task = desk().ask((session_id(), "link"), key, work, wait=_WAIT_SECONDS)
    found: RowSelection | None = result_of(task)
    if found is None:
        follow([task], "Selecting what the address names: ")
        return False
    desk().forget(key)  # the session has it now
    put_selection(found, by_address=True)
    return True
