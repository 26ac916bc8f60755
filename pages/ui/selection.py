"""The rows that a person has selected in this session: by lasso, cluster, search or click."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.errors import InputError
from core.facets import Facets, Filter, label_of
from core.lasso import Op, combine
from core.ranking import Cut, Ranking
from core.search import Found, find_rows
from core.step_words import LONGEST
from core.view_link import RANKED, SOUGHT, Kind, Step, filter_step, merge_cosines
from pages.ui.state import ProjectView

_KEY, _BY_ADDRESS, _ASIDE = "selection", "selection-by-address", "set-aside"
_NAMED = 300  # rows that an address can name one by one
Way = tuple[Kind, str] | tuple[Kind, str, Cut]  # how rows were found, as a `Step` says it


@dataclass(frozen=True)
class Ranked:
    """What the likest rows were taken of, to take more or fewer.

    Attributes
    ----------
    step : that took them, as it says what they are like and how many were taken.
    before : what was selected before; None where that does not matter.
    made : by which features and decisions, as `ranked_by` says it; by others it is outdated.
    """

    ranking: Ranking
    step: Step
    origin: str
    before: "RowSelection | None" = None
    made: tuple[str, str] = ("", "")

    @property
    def of_dropped(self) -> bool:
        """Whether dropped rows are meant, and not the kept ones."""
        return self.before is not None and self.before.dropped


@dataclass(frozen=True)
class RowSelection:
    """Selected rows, and how they came about.

    Attributes
    ----------
    rows : int64, ascending. What was drawn around or named may hold dropped rows and kept ones:
        `selected` gives those of one kind.
    origin : in words, for the log of decisions.
    steps : that select the same rows again; none where that is unknown.
    filters : on columns, which narrowed `base` to these rows; see `pages.ui.filters`.
    base : what was selected before them; None where they filter all rows.
    cosines : float32, of each row to what it should be like; NaN where it was not found so.
    dropped : whether its dropped rows are meant, to be read or restored, and not the kept ones.
    made : by which decisions and clusters filters were applied; with others they are once more.
    ranked : what the last step took the likest rows of; None where it took none so.
    """

    project: str
    rows: NDArray[np.int64]
    origin: str
    steps: tuple[Step, ...] = ()
    filters: tuple[Filter, ...] = ()
    base: "RowSelection | None" = None
    cosines: NDArray[np.float32] | None = None
    dropped: bool = False
    made: tuple[str, ...] = ()
    ranked: Ranked | None = None


def selected(view: ProjectView) -> RowSelection | None:
    """Return the selection in this project: its rows that are kept now.

    Of a selection of dropped rows, those that are dropped now.
    """
    found = stored(view)
    if found is None:
        return None
    meant = _meant(view, found)
    return meant if len(meant.rows) else None


def beside(view: ProjectView) -> int:
    """How many rows of the other kind lie in the selection: dropped ones, or kept ones."""
    found = stored(view)
    return len(found.rows) - len(_meant(view, found).rows) if found else 0


def turn_round(view: ProjectView) -> None:
    """Select the dropped rows of the selection instead of the kept ones, or the other way."""
    found = stored(view)
    if found is not None:
        st.session_state.pop("picked", None)
        steps = found.steps
        if any(step.kind in SOUGHT for step in steps):  # it would find others there
            by = _named(found.rows)
            steps = (Step("replace", *by),) if by else ()
        put_selection(replace(found, dropped=not found.dropped, steps=steps))


def filters_of(view: ProjectView) -> tuple[tuple[Filter, ...], RowSelection | None]:
    """The filters in use, though no row may meet them, and what they narrow: None for all rows.

    What they narrow may have no row that is kept.
    """
    found = stored(view)
    if found is None or not found.filters:
        now = selected(view)
        return (), None if now and now.dropped else now
    return found.filters, _meant(view, found.base) if found.base else None


def set_filters(view: ProjectView, facets: Facets, filters: Sequence[Filter]) -> None:
    """Select the rows that meet some filters, of those that were selected before there were any.

    Raises
    ------
    InputError
        A filter cannot be used.
    """
    _, base = filters_of(view)
    st.session_state.pop("picked", None)
    if filters:
        put_selection(filtered(view, facets, base, tuple(filters)))
    elif base and len(base.rows):
        put_selection(base)
    else:
        clear_selection()


def filtered(
    view: ProjectView, facets: Facets, base: RowSelection | None, filters: tuple[Filter, ...]
) -> RowSelection:
    """A selection narrowed by filters; all kept rows if there is none."""
    among = base.rows if base else None
    rows = find_rows(view.seen, filters=filters, among=among, pool=view.pool, facets=facets).rows
    return _narrowed(view, base, filters, rows)


def selection_steps(view: ProjectView) -> tuple[Step, ...]:
    """How the selection came about, also where all of its rows are dropped."""
    found = stored(view)
    return found.steps if found else ()


def ranked(view: ProjectView) -> Ranked | None:
    """What the selection took the likest rows of, whatever filters narrow it now."""
    filters, base = filters_of(view)
    now = base if filters else stored(view)
    return now.ranked if now else None


def ranked_by(view: ProjectView) -> tuple[str, str]:
    """By which features and decisions likeness ranks rows now."""
    return (view.features_id or "", view.log_id)


def put_ranked(view: ProjectView, again: Ranked) -> None:
    """Keep what the selection took the likest rows of, ranked anew; its rows stay."""
    now = stored(view)
    assert now is not None
    if now.filters and now.base:
        put_selection(replace(now, base=replace(now.base, ranked=again)))
    else:
        put_selection(replace(now, ranked=again))


def cut_again(view: ProjectView, taken: Found, step: Step) -> None:
    """Have the last step take other rows of what it ranked; filters stay in use."""
    filters, _ = filters_of(view)
    found = ranked(view)
    assert found is not None
    by = (step.kind, step.value, step.cut)
    again = _combined(view, found.before, taken, found.origin, step.op, by)
    again = replace(again, dropped=found.of_dropped)
    put_selection(filtered(view, view.facets, again, filters) if filters else again)


def select_rows(
    view: ProjectView,
    rows: NDArray[np.int64],
    origin: str,
    op: Op = "replace",
    *,
    by: Way | None = None,
    dropped: bool | None = None,
) -> None:
    """Replace the selection by `rows`, add them, take them away, or keep only what is in them.

    `by` says how they were found, for an address that shows the same; it can name a few rows.
    `dropped` says which of the rows are meant; unless told, what is added to dropped rows is
    dropped as well, and of what is new the kept rows are meant if there are any.
    """
    select_found(view, Found(rows), origin, op, by=by, dropped=dropped)


def select_found(
    view: ProjectView,
    found: Found,
    origin: str,
    op: Op = "replace",
    *,
    by: Way | None = None,
    dropped: bool | None = None,
) -> None:
    """As `select_rows`, for rows in any order with the cosines by which they were found."""
    st.session_state.pop("picked", None)  # an open row gives way to the selection
    rows = found.rows
    by = by or _named(rows)
    now = stored(view)
    if dropped is None and now and op != "replace":
        dropped = now.dropped
    elif dropped is None:
        dropped = bool(len(rows) and view.decisions.dropped[rows].all())
    if now and now.filters and op == "within" and (by is None or by[0] not in RANKED):
        # The filters stay in use: it is the same to look within what they narrow.
        base = _combined(view, now.base, found, origin, "within" if now.base else "replace", by)
        put_selection(_narrowed(view, base, now.filters, combine(now.rows, base.rows, "within")))
        return
    put_selection(replace(_combined(view, now, found, origin, op, by), dropped=dropped))


def _named(rows: NDArray[np.int64]) -> Way | None:
    """Rows by their numbers, if they are few."""
    return ("rows", ",".join(map(str, np.sort(rows).tolist()))) if 0 < len(rows) <= _NAMED else None


def stored(view: ProjectView) -> RowSelection | None:
    """The selection as it was made: none of its rows may be kept."""
    found = st.session_state.get(_KEY)
    if not isinstance(found, RowSelection) or found.project != str(view.project.root):
        return None
    if found.filters and found.made != _made(view):
        found = _filtered_again(view, found)
        put_selection(found)
    return found


def _filtered_again(view: ProjectView, found: RowSelection) -> RowSelection:
    """A filtered selection by the decisions and clusters of now: tags and titles may be others."""
    base = _meant(view, found.base) if found.base else None
    valid = []
    for one in found.filters:
        try:
            view.facets.mask(one)
        except InputError:  # its cluster or tag is gone
            continue
        valid.append(one)
    if valid:
        return filtered(view, view.facets, base, tuple(valid))
    return base or RowSelection(found.project, np.empty(0, np.int64), found.origin)


def _made(view: ProjectView) -> tuple[str, ...]:
    return (view.log_id, view.clusters.fingerprint if view.clusters else "")


def _meant(view: ProjectView, found: RowSelection) -> RowSelection:
    """A selection without the rows that are dropped; of dropped rows, without the others."""
    meant = view.decisions.dropped[found.rows] == found.dropped
    cosines = None if found.cosines is None else found.cosines[meant]
    return replace(found, rows=found.rows[meant], cosines=cosines)


def _combined(
    view: ProjectView,
    now: RowSelection | None,
    found: Found,
    origin: str,
    op: Op,
    by: Way | None,
) -> RowSelection:
    own, before = origin, Found(np.empty(0, np.int64))
    earlier: tuple[Step, ...] = ()
    linked = by is not None
    if now:
        before = Found(now.rows, now.cosines)
    if op != "replace" and now:
        if now.origin != origin:
            origin = f"{now.origin} and {origin}"
        earlier = now.steps
        linked &= bool(earlier)
    steps = (*earlier, Step(op, *by)) if linked and by else ()
    rows = combine(before.rows, np.sort(found.rows), op)
    cosines = merge_cosines(rows, *([] if op == "replace" else [before]), found)
    cut_from = None
    if by and found.ranking is not None:
        former = replace(now, ranked=None) if now and op != "replace" else None
        cut_from = Ranked(found.ranking, Step(op, *by), own, former, ranked_by(view))
    root = str(view.project.root)
    return RowSelection(root, rows, origin[:LONGEST], steps, cosines=cosines, ranked=cut_from)


def _narrowed(
    view: ProjectView,
    base: RowSelection | None,
    filters: tuple[Filter, ...],
    rows: NDArray[np.int64],
) -> RowSelection:
    columns = ", ".join(label_of(rule.column) for rule in filters)
    origin = f"filter{'s' * (len(filters) != 1)} on {columns}"
    steps: tuple[Step, ...] = ()
    if base is None or base.steps:
        earlier = base.steps if base else ()
        narrow = (filter_step(one, "within") for one in filters[0 if earlier else 1 :])
        steps = (*(earlier or (filter_step(filters[0]),)), *narrow)
    cosines = None
    if base:
        origin = f"{base.origin} and {origin}"
        cosines = merge_cosines(rows, Found(base.rows, base.cosines))
    root = str(view.project.root)
    return RowSelection(
        root, rows, origin[:LONGEST], steps, filters, base, cosines, made=_made(view)
    )


def clicked_rows(event: Any) -> tuple[int, ...]:
    """The place of the row of a table in which a cell was clicked, if any."""
    return tuple({row: None for row, _ in event.selection.cells})


def newly_picked(key: str, draw: Callable[[], Any]) -> tuple[int, ...] | None:
    """Rows of a table that were just picked, () if just none is any more; None without a change.

    A table that was not there in the run before picks nothing: Streamlit forgot what was picked,
    and nobody took it back.

    Parameters
    ----------
    key : of the table.
    draw : draws the table, and returns its event.
    """
    known = f"{key}-picked"
    is_new = key not in st.session_state
    picked = clicked_rows(draw())
    if is_new or picked == st.session_state.get(known, ()):
        st.session_state[known] = picked
        return None
    st.session_state[known] = picked
    return picked


def put_selection(selection: RowSelection, *, by_address: bool = False) -> None:
    """Make this the selection."""
    st.session_state[_KEY] = selection
    st.session_state[_BY_ADDRESS] = by_address


def by_address() -> bool:
    """Whether the selection was read from an address."""
    return bool(st.session_state.get(_BY_ADDRESS))


def set_aside(entry: int) -> None:
    """Select nothing after a decision; if that is undone, what was selected is so again."""
    st.session_state[_ASIDE] = (entry, st.session_state.pop(_KEY, None))


def take_up(entry: int) -> None:
    """Select what was selected when a decision was made, unless something else is now."""
    of, found = st.session_state.get(_ASIDE, (0, None))
    if of == entry and isinstance(found, RowSelection) and _KEY not in st.session_state:
        put_selection(found)


def clear_selection(origin: str = "") -> None:
    """Select nothing; with `origin`, only if the selection came about by what begins so."""
    found = st.session_state.get(_KEY)
    if isinstance(found, RowSelection) and found.origin.startswith(origin):
        del st.session_state[_KEY]
