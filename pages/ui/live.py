"""What the settings would select, worked out beside the page and drawn when it is there."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.errors import WinnowError
from core.progress import Progress
from core.project import Project
from core.selection import Curve, Selection
from core.selection.memo import Memo
from core.setup import Setup, set_up
from core.tradeoff import WEIGHTS, Limits, Tradeoff
from core.tradeoff_constraints import Effect
from core.tradeoff_coverage import Coverage
from core.tradeoff_pairs import PairSample
from pages.ui.background import Task, desk, result_of, session_id
from pages.ui.settings import Settings
from pages.ui.state import ProjectView

_PATIENCE = 0.4  # seconds that a page waits for the rows before it is drawn without
_REST = 0.03  # seconds that it then waits for each other thing: the rows are not held up by them
_GROUNDS = 2  # set-ups kept: a path of 900 targets holds some hundred MB


@dataclass(frozen=True)
class Preview:
    """The rows that the settings give, not stored.

    Attributes
    ----------
    limits, drawn : what weight and budget leave each other at the weight that was asked for, and at
        the one where the rows are drawn; None where the rule has no path.
    path : parameters of the path that they are drawn from.
    """

    ground: Hashable
    pool: Hashable
    settings: Settings
    setup: Setup
    selection: Selection
    limits: Limits | None = None
    drawn: Limits | None = None
    path: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The chosen rows, ascending."""
        return self.selection.rows

    @property
    def automatic(self) -> bool:
        """Whether the diversity weight is worked out from the budget."""
        return self.settings.parameters.get("diversity_weight") == "auto"


@dataclass(frozen=True)
class Near:
    """What the targets found, pairs of rows near them, and what constraints change if any do."""

    coverage: Coverage
    pairs: PairSample
    effect: Effect | None


@dataclass(frozen=True)
class Live:
    """What there is by now; `waiting` are the tasks whose results are not in it.

    `preview` is that of earlier settings while `current` is false. `error` is why the first of the
    parts that are missing could not be had.
    """

    preview: Preview | None = None
    current: bool = False
    curve: Curve | None = None
    near: Near | None = None
    waiting: tuple[Task, ...] = ()
    error: WinnowError | None = None


@dataclass(frozen=True)
class _Ground:
    """A set-up, and its path if the rule has one; used by the desk's thread alone."""

    setup: Setup
    tradeoff: Tradeoff | None


@st.cache_resource(show_spinner=False)
def _grounds() -> Memo:
    return Memo(_GROUNDS)


def _measured(given: Preview, tradeoff: Tradeoff, progress: Progress) -> Preview:
    """The preview with what the path says at its weights."""
    settings, selection = given.settings, given.selection
    path = tradeoff.as_drawn(settings.beside_weight, selection)
    limits = partial(tradeoff.limits, path, budget=settings.budget, progress=progress)
    weight = float(selection.settings["diversity_weight"])
    asked = settings.parameters["diversity_weight"]
    drawn = limits(diversity_weight=weight)
    asked_for = drawn if asked in ("auto", weight) else limits(diversity_weight=asked)
    return replace(given, limits=asked_for, drawn=drawn, path=path)


def _laid_by(preview: Preview) -> str:
    """What the path of a preview depends on, beside its ground."""
    return repr(sorted(preview.path.items()))


def _curve_before(preview: Preview) -> Curve | None:
    """The curve that was drawn last, if this preview lies on it."""
    ground, laid_by, curve = st.session_state.get("curve", (None, None, None))
    return curve if (ground, laid_by) == (preview.ground, _laid_by(preview)) else None


def _points(curve: Curve | None) -> int:
    return 0 if curve is None else len(curve.diversity_weights)


def preview_on_map(view: ProjectView) -> Preview | None:
    """The rows that were drawn last, if they are of this pool."""
    preview: Preview | None = st.session_state.get("preview")
    return preview if preview is not None and preview.pool == _pool_of(view) else None


def _pool_of(view: ProjectView) -> Hashable:
    return view.project.root, view.project.pointer("pool")


class Wish:
    """What these settings show, worked out at the desk: the rows first, then what is said of them.

    A page draws the rows in between, so that they are not held up by the rest.
    """

    def __init__(self, view: ProjectView, settings: Settings) -> None:
        self._view, self._settings, self._root = view, settings, view.project.root
        self._grounds = _grounds()  # here: the desk's thread has no page to take it from
        self._waiting: list[Task] = []
        self._error: WinnowError | None = None
        self._exact = repr((sorted(settings.parameters.items()), settings.budget, settings.seed))
        self._pool = _pool_of(view)
        is_live = settings.live and not settings.missing
        self._key = settings.ground(view) if is_live else None

    def rows(self) -> Live:
        """The rows, or those of earlier settings where they are not there in time."""
        if self._key is None:
            return Live()
        now: Preview | None = self._asked("preview", self._exact, self._preview)
        if now is not None:
            st.session_state["preview"] = now
            return Live(now, True)
        before = preview_on_map(self._view)
        if self._error is not None or before is None:
            return self._given(Live())
        return self._given(Live(before, curve=_curve_before(before)))

    def rest(self, found: Live) -> Live:
        """With the curve they lie on and what is near them, as far as these are there."""
        now = found.preview
        if now is None or not found.current or not self._settings.has_path:
            return found
        laid_by, part = _laid_by(now), _curve_before(now)
        # What the preview went through is known already; the far end may take seconds.
        known = float(now.selection.settings["diversity_weight"])
        points = int(np.searchsorted(WEIGHTS, known, side="right"))
        if _points(part) < points and not desk().has(("curve", self._key, laid_by)):
            work = partial(self._curve, now, up_to=known)
            part = self._asked("part of curve", (laid_by, points), work) or part
        near = self._asked("near", self._exact, partial(self._near, now))
        drawn = self._asked("curve", laid_by, partial(self._curve, now)) or part
        if drawn is not None:
            st.session_state["curve"] = (self._key, laid_by, drawn)
        return self._given(replace(found, curve=drawn, near=near))

    def _given(self, found: Live) -> Live:
        return replace(found, waiting=tuple(self._waiting), error=self._error)

    def _asked(self, part: str, of: Hashable, work: Callable[[Task], Any]) -> Any:
        slot = (session_id(), part)
        urgent = part == "preview"
        wait = _PATIENCE if urgent else _REST
        task = desk().ask(slot, (part, self._key, of), work, wait=wait, urgent=urgent)
        if not task.finished.is_set():
            self._waiting.append(task)
            return None
        try:
            return result_of(task)
        except WinnowError as error:
            self._error = self._error or error
            return None

    def _ground(self, task: Task) -> _Ground:
        settings = self._settings

        def make() -> _Ground:
            setup = set_up(
                Project.open(self._root),
                method=settings.rule.id,
                budget=settings.budget,
                progress=task.progress,
                **settings.options,
            )
            return _Ground(setup, Tradeoff(setup) if settings.has_path else None)

        return self._grounds.get(self._key, make)

    def _preview(self, task: Task) -> Preview:
        task.progress(0, 0, "reading the pool")
        settings, found = self._settings, self._ground(task)
        setup = found.setup.at(budget=settings.budget, seed=settings.seed)
        selection = setup.solve(progress=task.progress, **settings.parameters)
        # Without what it remembers, which would be kept as long as the preview.
        light = replace(setup, problem=replace(setup.problem, memo=Memo()))
        given = Preview(self._key, self._pool, settings, light, selection)
        if found.tradeoff is None:
            return given
        return _measured(given, found.tradeoff, task.progress)

    def _curve(self, now: Preview, task: Task, up_to: float = 1.0) -> Curve:
        path = self._ground(task).tradeoff
        assert path is not None
        task.progress(0, 0, "drawing the curve")
        return path.curve(now.path, up_to=up_to, progress=task.progress)

    def _near(self, now: Preview, task: Task) -> Near:
        settings, path = self._settings, self._ground(task).tradeoff
        assert path is not None
        task.progress(0, 0, "looking at each target")
        changed = path.effect(
            settings.beside_weight, now.selection, seed=settings.seed, progress=task.progress
        )
        return Near(path.coverage(now.selection), path.pairs, changed)
