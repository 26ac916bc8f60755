"""The form of a new refinement: what a round draws, trains and scores, and how long that takes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.errors import WinnowError
from core.refinement import loop, plan
from core.refinement.estimate import Estimate, estimate
from core.refinement.names import refinement_names
from core.refinement.parameters import Text
from core.refinement.registry import (
    DEFAULT_SCORER,
    PRIVATE,
    SCORERS,
    TRAINERS,
    Kind,
    default_trainer,
)
from core.runs import check_run_name, list_runs
from core.selection import Parameter
from core.selection.parameters import QUOTAS, TEMPERATURE
from core.told import counted
from pages.ui import refine_quality, refine_state
from pages.ui.notice import tell
from pages.ui.parameters import render_some
from pages.ui.settings import (
    LARGEST_SEED,
    choose_budget,
    render_wrong,
    wrong_size,
)
from pages.ui.state import ProjectView, is_private
from pages.ui.strip import writer
from pages.ui.text import as_text

# Of the numbers and choices; texts that must be given come first, too.
_FIRST = {"epochs", "measure", "against", "most_calls"}
_MINUTE = 60


@dataclass(frozen=True)
class _Form:
    """A set of parameters under an id, as widgets want it."""

    id: str
    parameters: tuple[Parameter | Text, ...]


_PLAN = _Form("refine", plan.PARAMETERS)


@dataclass(frozen=True)
class _Setup:
    """What was chosen.

    Attributes
    ----------
    options : of `core.refinement.loop.start`, but for trainer and scorer.
    wrong : what must be changed first, in words; "" when nothing must.
    """

    name: str
    budget: int
    trainer: Kind[Any]
    scorer: Kind[Any]
    options: dict[str, Any]
    trainer_options: dict[str, Any]
    scorer_options: dict[str, Any]
    wrong: str


def render(view: ProjectView) -> None:
    """Draw the form, what a round will do, and the button that starts."""
    st.subheader("A new refinement", anchor=False)
    st.caption("Rows are drawn in rounds; how a round scores decides where the next one draws.")
    draws, works, said = st.columns([0.36, 0.36, 0.28], gap="large")
    with draws:
        st.markdown("**What a round draws**")
        name, budget, wrong = _render_size(view)
        chosen = _render_rule(view)
    with works:
        st.markdown("**What it learns from them**")
        scorer = _choose_scorer()
        scored = _render_kind(scorer, "Scorer settings")
        trainer = _choose_trainer(scorer)
        trained = _render_kind(trainer, "Trainer settings")
    with draws, st.expander("More settings"):
        chosen |= _render_more(chosen["within"])
    if budget < chosen["rounds"]:
        wrong = wrong or f"{counted(budget)} cannot be drawn in {chosen['rounds']} rounds."
    if chosen["within"] == "kmq":
        by, missing = refine_quality.check(chosen.pop("quality"), chosen["temperature"])
        chosen, wrong = chosen | by, wrong or missing
    setup = _Setup(name, budget, trainer, scorer, chosen, trained, scored, wrong)
    with said, st.container(border=True):
        _render_plan(view, _complete(setup))


def _render_size(view: ProjectView) -> tuple[str, int, str]:
    """Name, rows and what is wrong with them."""
    assert view.pool is not None
    name = st.text_input(
        "Name",
        _free_name(view),
        max_chars=64,
        help="Of the refinement, and of the run that it becomes.",
        key=f"refine-name-{view.project.root.name}-{len(refinement_names(view.project))}",
    )
    budget = choose_budget(view.pool.rows)
    kept = len(view.decisions.candidates)
    wrong = wrong_size(budget, kept, view.pool.rows)
    if wrong:
        render_wrong(wrong, kept)
    try:
        check_run_name(view.project, name)
    except WinnowError as error:
        wrong = wrong or str(error)
    return name, budget, wrong


def _free_name(view: ProjectView) -> str:
    taken = {*refinement_names(view.project), *(run.id for run in list_runs(view.project))}
    names = ("refined", *(f"refined-{number}" for number in range(2, 999)))
    return next(name for name in names if name not in taken)


def _render_rule(view: ProjectView) -> dict[str, Any]:
    """Rounds, and how rows are drawn in a cluster."""
    assert view.pool is not None
    chosen = render_some(_PLAN, [plan.ROUNDS, plan.WITHIN_CLUSTER])
    if chosen["within"] == "kmq":
        chosen["quality"] = refine_quality.choose(view)
    return chosen


def _render_more(within: str) -> dict[str, Any]:
    """What few people set: how weights follow scores, the first weights, the seed."""
    chosen = render_some(_PLAN, [plan.UPDATE])
    more = [plan.SHRINK, plan.FLOOR, QUOTAS]
    if chosen["update"] != "paper":
        more.insert(0, plan.ETA)
    if chosen["update"] == "ucb":
        more.insert(0, plan.EXPLORATION)
    if within == "kmq":
        more.append(TEMPERATURE)
    st.session_state.setdefault("refine-seed", 0)
    seed = st.number_input(
        "Seed",
        0,
        LARGEST_SEED,
        key="refine-seed",
        persist_state="session",
        help="The same seed, settings and scores give the same rows.",
    )
    return {**chosen, **render_some(_PLAN, more), "seed": int(seed)}


def _choose_scorer() -> Kind[Any]:
    """Which scorer, and what must be said of it."""

    def changed() -> None:
        st.session_state["refine-trainer"] = default_trainer(st.session_state["refine-scorer"])

    return _choose("Scored by", "refine-scorer", SCORERS, DEFAULT_SCORER, on_change=changed)


def _choose_trainer(scorer: Kind[Any]) -> Kind[Any]:
    """Which trainer; one that leaves a model where the scorer needs it."""
    without = {"none"} if "model" in scorer.needs else set()
    return _choose("Trained", "refine-trainer", TRAINERS, default_trainer(scorer.id), without)


def _choose(
    label: str,
    key: str,
    kinds: Mapping[str, Kind[Any]],
    default: str,
    without: Collection[str] = (),
    on_change: Callable[[], None] | None = None,
) -> Kind[Any]:
    """Draw the choice of a trainer or a scorer that may be used here, and what it does."""
    shut = {*without, *(() if is_private() else PRIVATE)}
    ids = [one for one in kinds if one not in shut]
    if st.session_state.get(key) not in ids:
        st.session_state[key] = default
    chosen = kinds[
        st.selectbox(
            label,
            ids,
            format_func=lambda one: kinds[one].label,
            key=key,
            persist_state="session",
            on_change=on_change,
        )
    ]
    st.caption(as_text(chosen.sentence))
    return chosen


def _render_kind(kind: Kind[Any], title: str) -> dict[str, Any]:
    """The parameters of a trainer or a scorer, those that few people set folded away."""

    def comes_first(one: Parameter | Text) -> bool:
        return one.name in _FIRST or (isinstance(one, Text) and one.default is None)

    chosen = render_some(kind, [one for one in kind.parameters if comes_first(one)])
    rest = [one for one in kind.parameters if not comes_first(one)]
    if rest:
        with st.expander(title):
            chosen |= render_some(kind, rest)
    return chosen


def _complete(setup: _Setup) -> _Setup:
    """Check what trainer and scorer were given."""
    try:
        trained = setup.trainer.resolve(setup.trainer_options)
        scored = setup.scorer.resolve(setup.scorer_options)
    except WinnowError as error:
        return replace(setup, wrong=setup.wrong or str(error))
    return replace(setup, trainer_options=trained, scorer_options=scored)


def _render_plan(view: ProjectView, setup: _Setup) -> None:
    """What a round will do, how long that takes, and the button."""
    assert view.pool is not None and view.clusters is not None
    rounds = setup.options["rounds"]
    rows = max(1, setup.budget // rounds)
    st.markdown(f"**Each of {rounds} rounds**" if rounds > 1 else "**The round**")
    taught = "Trains nothing." if setup.trainer.id == "none" else f"Trains: {setup.trainer.label}."
    st.markdown(
        f"1. Draws {_about(setup.budget, rounds)}{counted(rows)} by the weights of "
        f"{len(view.clusters.sizes):,} clusters.\n"
        f"2. {taught}\n"
        f"3. Scores its rows: {setup.scorer.label}.\n"
        "4. Gives more weight to clusters that score well."
    )
    if setup.wrong:
        st.warning(as_text(setup.wrong))
    else:
        found = estimate(
            view.pool,
            budget=setup.budget,
            rounds=rounds,
            trainer=setup.trainer.id,
            trainer_options=setup.trainer_options,
            scorer=setup.scorer.id,
            scorer_options=setup.scorer_options,
        )
        st.caption(as_text(_duration(found)))
        if found.asked is not None:
            st.caption(_cost(found))
    other = writer(view)
    if other is not None:
        st.info(
            f"“{as_text(other.title)}” is at work: this one can start when that is done or "
            "cancelled.",
            icon=":material/hourglass_top:",
        )
    st.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        disabled=bool(setup.wrong) or other is not None,
        on_click=_start,
        args=(view, setup),
        width="stretch",
        help="Nothing is drawn yet: rounds are done one by one, or all at once.",
    )


def _about(budget: int, rounds: int) -> str:
    return "about " if budget % rounds else ""


def _duration(found: Estimate) -> str:
    """How long it takes, as far as that is known, and why the rest is not."""
    parts = []
    if found.once:
        parts.append(f"{_time(found.once)}, once, to read the pool")
    if found.training and found.training >= 1:
        parts.append(f"{_time(found.training)} a round to train")
    said = ", then ".join(parts)
    known = f"{said[0].upper()}{said[1:]}, on two cores." if said else ""
    if found.unknown:
        first = "The first round tells: Step does one alone."
        return " ".join([*([known] if known else []), *found.unknown, first])
    return known or "A second or two a round."


def _time(seconds: float) -> str:
    if seconds < 10:
        return "a few seconds"
    if seconds < 2 * _MINUTE:
        return f"about {round(seconds, -1):.0f} seconds"
    return f"about {seconds / _MINUTE:.0f} minutes"


def _cost(found: Estimate) -> str:
    """What a judge is asked and sent."""
    assert found.asked is not None
    calls, tokens = found.asked.calls, found.asked.tokens
    over = " That is more than the most calls: allow more, or draw fewer rows."
    return (
        f"About {calls:,} calls and {tokens:,} tokens a round, {found.allowed:,} calls at most. "
        "The texts of the rows are sent to the address; its key is read from the environment of "
        f"the server and never stored.{over if calls > found.allowed else ''}"
    )


def _start(view: ProjectView, setup: _Setup) -> None:
    if refine_state.refused(setup.trainer.id, setup.scorer.id):
        return
    options = {key: value for key, value in setup.options.items() if value is not None}
    try:
        loop.start(
            view.project,
            name=setup.name,
            budget=setup.budget,
            trainer=setup.trainer.id,
            trainer_options=setup.trainer_options,
            scorer=setup.scorer.id,
            scorer_options=setup.scorer_options,
            **options,
        )
    except WinnowError as error:
        tell(error, failed=True)
        return
    refine_state.show(setup.name)
