"""The settings of a selection: method, aim, size and the rule's parameters, as widgets."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.pool import Pool
from core.selection import RULES, Rule
from core.selection.constraints import CLUSTER
from core.targets import list_targets
from core.tradeoff import METHODS as WITH_PATH
from pages.ui import targets
from pages.ui.constraints import render_constraints
from pages.ui.parameters import render_parameters
from pages.ui.state import ProjectView

# Asked again with another seed, on 109,000 rows and 50 targets, the others answer within a second
# or two; these take from seconds to minutes, since each choice looks at all rows again.
_SLOW = frozenset({"k-center", "facility-location", "deita", "qdit", "uot"})


_OWN_RATIO = "ratio-by-hand"
RATIOS, RATIO = (0.1, 100.0), 5.0  # percent of the pool: what the slider covers, where it begins
LARGEST_SEED = 2**31 - 1
LENGTH = "n_chars"
_WITH_TARGET = "tsds-kde"  # the rule to begin with where there is a target set
_ROWS_WIDTH = 99  # pixels: six digits; from 100 on the box would have step buttons in their place


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes
    ----------
    options : what the problem is made from: target set, quality column, groups, constraints.
    parameters : those of the rule, the diversity weight among them.
    missing : what must be chosen or changed first, in words; "" when nothing is missing.
    """

    rule: Rule
    budget: int
    seed: int
    parameters: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    missing: str = ""

    @property
    def live(self) -> bool:
        """Whether the rule is fast enough to show its rows while sliders move."""
        return self.rule.id not in _SLOW

    @property
    def has_path(self) -> bool:
        """Whether there is a trade-off to draw."""
        return self.rule.id in WITH_PATH

    @property
    def beside_weight(self) -> dict[str, Any]:
        """The parameters but the diversity weight: what a path is laid by."""
        return {key: self.parameters[key] for key in self.parameters if key != "diversity_weight"}

    @property
    def request(self) -> dict[str, Any]:
        """The options of `core.runs.select`."""
        return {
            "method": self.rule.id,
            **self.options,
            **self.parameters,
            "budget": self.budget,
            "seed": self.seed,
        }

    def ground(self, view: ProjectView) -> Hashable:
        """What the problem depends on: content by its id, never the arrays."""
        assert view.pool is not None
        decided = hashlib.blake2b(view.decisions.dropped.tobytes(), digest_size=16)
        decided.update(view.decisions.pinned.tobytes())
        return (
            str(view.project.root),
            view.project.pointer("pool"),
            view.features_id,
            view.clusters.fingerprint if view.clusters else None,
            decided.digest(),
            self.rule.id,
            repr(sorted(self.options.items())),
        )


def render_settings(view: ProjectView, more: DeltaGenerator) -> Settings:
    """Draw the widgets, those that few people set in `more`; the kept rows bound the size."""
    assert view.pool is not None
    st.session_state.setdefault("method", _best_method(view))
    if targets.just_added() and not RULES[st.session_state["method"]].needs_target:
        st.session_state["method"] = _WITH_TARGET
    method = st.selectbox(
        "Method",
        list(RULES),
        format_func=lambda one: method_label(RULES[one]),
        key="method",
        persist_state="session",
    )
    rule: Rule = RULES[method]
    st.caption(rule.summary)
    options: dict[str, Any] = {}
    missing = ""
    if rule.needs_target:
        options["target"] = targets.render_choice(view)
        missing = "" if options["target"] else "a target set: add one above"
    elif view.features_id and not list_targets(view.project):
        targets.render_offer(view, RULES[_WITH_TARGET].label)
    kept = len(view.decisions.candidates)
    rows = view.pool.rows
    budget = choose_budget(rows)
    wrong = wrong_size(budget, kept, rows)
    if wrong:
        render_wrong(wrong, kept)
    else:
        left = f"; {kept:,} are kept" if kept < rows else ""
        st.caption(f"{budget:,} of {rows:,} rows{left}")
    if rule.needs_quality:
        options["quality"] = choose_quality(view.pool)
        missing = missing if options["quality"] else missing or "a quality column: choose one above"
    if rule.needs_clusters and view.clusters is None:
        missing = missing or "a map: build it on the Pool page"
    if rule.needs_strata:
        options["by"] = st.selectbox(
            "Groups",
            group_columns(view),
            help="What groups the rows: a column of at most 1,000 different values, or clusters.",
            key="by",
            persist_state="session",
        )
    parameters = render_parameters(rule, simple=True)
    with more:
        options |= render_constraints(view)
        with st.expander("More settings"):
            parameters |= render_parameters(rule, simple=False)
            st.session_state.setdefault("seed", 0)
            seed = st.number_input(
                "Seed",
                0,
                LARGEST_SEED,
                help="The same seed and settings give the same rows.",
                key="seed",
                persist_state="session",
            )
    if missing:
        st.caption(f"{rule.label} needs {missing}.")
    return Settings(rule, budget, int(seed), parameters, options, missing or wrong)


def method_label(rule: Rule) -> str:
    """A rule in the list of methods, with what must be chosen for it."""
    needs = {"a target": rule.needs_target, "a quality": rule.needs_quality}
    return " · needs ".join([rule.label, *(what for what, needed in needs.items() if needed)])


def wrong_size(budget: int, kept: int, rows: int) -> str:
    """Why so many rows cannot be chosen, in a sentence; "" where they can."""
    if not kept:
        return "No rows are kept: undo a drop above, or restore rows on the Map page."
    if budget < 1:
        return f"{budget:,} rows cannot be chosen: take 1 or more."
    if budget <= kept:
        return ""
    if kept == rows:
        return f"{budget:,} rows cannot be chosen: the pool has {rows:,}."
    percent = int(1000 * kept / rows) / 10  # down, so that it is not too much
    share = f": {percent:.1f} % of the pool is the most" if percent >= RATIOS[0] else ""
    return f"{budget:,} rows are asked for and only {kept:,} are kept{share}."


def render_wrong(wrong: str, kept: int) -> None:
    """Say why so many rows cannot be chosen, with a way to take as many as there are."""

    def take_all() -> None:
        st.session_state["budget"] = kept

    with st.container(key="wrong-size"):
        st.warning(wrong)
        if kept:
            st.button(f"Take {kept:,} rows", key="take-all", on_click=take_all)


def group_columns(view: ProjectView) -> list[str]:
    """What a rule that draws by group can go by."""
    assert view.pool is not None
    own = ["source", *([CLUSTER] if view.clusters is not None else [])]
    columns = [name for name in view.pool.columns() if name != CLUSTER]
    return list(dict.fromkeys([*own, *columns]))


def choose_budget(rows: int) -> int:
    """A share of the pool by the slider, or a number of rows."""
    exact = st.session_state.get("budget")
    percent = "%.1f %%"
    st.session_state.setdefault("ratio", RATIO)
    if exact is None:
        st.session_state["ratio"] = st.session_state.pop(_OWN_RATIO, st.session_state["ratio"])
    elif 0 < exact <= rows:
        percent = f"{100 * exact / rows:.3g} %%"
        # The slider stands there; what a person set comes back when the number is taken away.
        st.session_state.setdefault(_OWN_RATIO, st.session_state["ratio"])
        st.session_state["ratio"] = max(RATIOS[0], round(100 * exact / rows, 1))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ratio = st.slider(
            "Selection ratio",
            *RATIOS,
            step=0.1,
            format=percent,
            key="ratio",
            persist_state="session",
            disabled=exact is not None,
            help="Share of the whole pool; the number of rows is exact.",
        )
        # Without bounds of its own, which would keep a number back with no more than an icon.
        exact = st.number_input(
            "Rows",
            value=None,
            step=1,
            placeholder="by ratio",
            width=_ROWS_WIDTH,
            key="budget",
            persist_state="session",
            help="An exact number, in place of the ratio.",
        )
    return max(1, round(ratio / 100 * rows)) if exact is None else int(exact)


def choose_quality(
    pool: Pool, *, key: str = "quality", more: Mapping[str, str] | None = None
) -> str | None:
    """Draw the choice of what rows are better by; None until one is chosen.

    Parameters
    ----------
    more : choices beside the columns, with what they are called; the first is the default where no
        column is said to be quality.
    """
    columns = [*(more or ()), *pool.number_columns(), LENGTH]
    called = {LENGTH: "Length in characters", **(more or {})}
    mapped = pool.quality_column()
    default = mapped if mapped in columns else next(iter(more or ()), None)
    st.session_state.setdefault(key, default)
    chosen: str | None = st.selectbox(
        "Quality" if more else "Quality column",
        columns,
        index=None,
        format_func=lambda name: called.get(name, name),
        placeholder="Choose a column",
        help="Numbers, 0 or more; higher is better. A longer row is not a better one: length is a "
        "stand-in where there are no scores.",
        key=key,
        persist_state="session",
    )
    return chosen


def _best_method(view: ProjectView) -> str:
    """The rule to begin with: what the project is ready for."""
    if list_targets(view.project):
        return _WITH_TARGET
    return "kmeans-random" if view.mapped else "random"
