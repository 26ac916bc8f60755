"""What the settings would select, worked out beside the page and drawn when it is there."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

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

    `preview` is that of earlier settings while `current` is false.
    """

    preview: Preview | None = None
    current: bool = False
    curve: Curve | None = None
    near: Near | None = None
    waiting: tuple[Task, ...] = ()


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
    weight = settings.parameters["diversity_weight"]
    drawn = limits(diversity_weight=float(selection.settings["diversity_weight"]))
    asked = drawn if weight == "auto" else limits(diversity_weight=weight)
    return replace(given, limits=asked, drawn=drawn, path=path)


def _laid_by(preview: Preview) -> str:
    """What the path of a preview depends on, beside its ground."""
    return repr(sorted(preview.path.items()))


def _curve_before(preview: Preview) -> Curve | None:
    """The curve that was drawn last, if this preview lies on it."""
    ground, laid_by, curve = st.session_state.get("curve", (None, None, None))
    return curve if (ground, laid_by) == (preview.ground, _laid_by(preview)) else None


def _points(curve: Curve | None) -> int:
    return 0 if curve is None else len(curve.diversity_weights)


def ask(view: ProjectView, settings: Settings) -> Live:
    """Have everything worked out that these settings show, and return what is there in time."""
    if settings.missing or not settings.live:
        return Live()
    key, grounds, root = settings.ground(view), _grounds(), view.project.root
    pool = (root, view.project.pointer("pool"))

    def ground(task: Task) -> _Ground:
        def make() -> _Ground:
            setup = set_up(
                Project.open(root),
                method=settings.rule.id,
                budget=settings.budget,
                progress=task.progress,
                **settings.options,
            )
            return _Ground(setup, Tradeoff(setup) if settings.has_path else None)

        return grounds.get(key, make)

    def preview(task: Task) -> Preview:
        task.progress(0, 0, "reading the pool")
        found = ground(task)
        setup = found.setup.at(budget=settings.budget, seed=settings.seed)
        selection = setup.solve(progress=task.progress, **settings.parameters)
        # Without what it remembers, which would be kept as long as the preview.
        light = replace(setup, problem=replace(setup.problem, memo=Memo()))
        given = Preview(key, pool, settings, light, selection)
        if found.tradeoff is None:
            return given
        return _measured(given, found.tradeoff, task.progress)

    def curve(task: Task, up_to: float = 1.0) -> Curve:
        path = ground(task).tradeoff
        assert path is not None
        task.progress(0, 0, "drawing the curve")
        return path.curve(now.path, up_to=up_to, progress=task.progress)

    def near(task: Task) -> Near:
        path = ground(task).tradeoff
        assert path is not None
        task.progress(0, 0, "looking at each target")
        changed = path.effect(
            settings.beside_weight, now.selection, seed=settings.seed, progress=task.progress
        )
        return Near(path.coverage(now.selection), path.pairs, changed)

    waiting: list[Task] = []

    def asked(part: str, of: Hashable, work: Any) -> Any:
        slot = (session_id(), part)
        urgent = part == "preview"
        wait = _PATIENCE if urgent else _REST
        task = desk().ask(slot, (part, key, of), work, wait=wait, urgent=urgent)
        if not task.finished.is_set():
            waiting.append(task)
            return None
        return result_of(task)

    exact = repr((sorted(settings.parameters.items()), settings.budget, settings.seed))
    now: Preview = asked("preview", exact, preview)
    if now is None:
        before: Preview | None = st.session_state.get("preview")
        if before is None or before.pool != pool:
            return Live(waiting=tuple(waiting))
        return Live(before, curve=_curve_before(before), waiting=tuple(waiting))
    st.session_state["preview"] = now
    if not settings.has_path:
        return Live(now, True)
    laid_by, part = _laid_by(now), _curve_before(now)
    # What the preview went through is known already; the far end may take seconds.
    known = float(now.selection.settings["diversity_weight"])
    points = int(np.searchsorted(WEIGHTS, known, side="right"))
    if _points(part) < points and not desk().has(("curve", key, laid_by)):
        part = asked("part of curve", (laid_by, points), partial(curve, up_to=known)) or part
    found = asked("near", exact, near)
    drawn = asked("curve", laid_by, curve) or part
    if drawn is not None:
        st.session_state["curve"] = (key, laid_by, drawn)
    return Live(now, True, drawn, found, tuple(waiting))
