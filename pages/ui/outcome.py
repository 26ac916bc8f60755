"""What a selection is: numbers, sources, chosen rows with the reason for each, targets."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.recipe import clusters_of, target_of
from core.runs import Run
from core.selection import RULES, Selection
from core.sources import random_shares, source_shares
from core.targets import list_targets, load_target
from core.told import shortened
from core.told_reasons import fills, pulled_by, told_beside_titles, told_by_text
from core.tradeoff_coverage import Coverage
from core.tradeoff_pairs import PairSample
from pages.ui.live import Preview
from pages.ui.rows import render_table
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_PAGE_ROWS = 12


@dataclass(frozen=True)
class Outcome:
    """A selection to look at: of a stored run, or of the settings.

    Attributes
    ----------
    id : of the content; pages of its table are remembered under it.
    rows, probabilities : of the chosen rows, by row.
    reasons : one sentence for each of these places of `rows`.
    """

    id: str
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    support: int
    notes: tuple[str, ...]
    reasons: Callable[[NDArray[np.int64]], list[str]]


def of_run(view: ProjectView, run: Run) -> Outcome:
    """A stored run."""
    table = run.table

    def reasons(places: NDArray[np.int64]) -> list[str]:
        said = reasons_by_text(view, run, table["why"].take(places).to_pylist())
        return told_beside_titles(said) if _goes_by_clusters_in_use(view, run) else said

    return Outcome(
        f"{run.id}-{run.report.rows_sha256[:8]}",
        table["row"].to_numpy(),
        table["probability"].to_numpy(),
        run.report.support,
        run.report.notes,
        reasons,
    )


def reasons_by_text(view: ProjectView, run: Run, reasons: list[str]) -> list[str]:
    """The reasons of a run's rows with the text of a target example in place of its number."""
    target = target_of(run.recipe_path, view.project)
    return told_by_text(reasons, target_texts(view, target)) if target else reasons


def _goes_by_clusters_in_use(view: ProjectView, run: Run) -> bool:
    rule = RULES.get(run.report.method)
    if view.clusters is None or (rule is not None and not rule.needs_clusters):
        return False
    return clusters_of(run.recipe_path) == view.clusters.fingerprint


def of_preview(view: ProjectView, preview: Preview) -> Outcome:
    """What the settings give."""
    selection = preview.selection

    def reasons(places: NDArray[np.int64]) -> list[str]:
        target = preview.settings.options.get("target")
        if selection.reasons.pulls is not None and target:
            return _by_text(selection, places, target_texts(view, target))
        said = selection.reasons.take(places).render(selection.probabilities[places])
        return told_beside_titles(said) if selection.reasons.strata is None else list(said)

    return Outcome(
        preview.settings.rule.id,
        selection.rows,
        selection.probabilities,
        selection.support,
        (*preview.setup.notes, *selection.notes),
        reasons,
    )


def target_texts(view: ProjectView, target: str) -> list[str]:
    """The examples of a target set, each short enough for a table."""
    known = {one.name: one.fingerprint for one in list_targets(view.project)}
    return _texts(str(view.project.root), target, known.get(target, ""), view)


@st.cache_data(max_entries=8, show_spinner=False)
def _texts(root: str, target: str, fingerprint: str, _view: ProjectView) -> list[str]:
    return [shortened(text) for text in load_target(_view.project, target).texts]


def render_numbers(outcome: Outcome) -> None:
    """Draw how many rows there are, out of how many, and what was changed to get them."""
    with st.container(horizontal=True):
        st.metric("Selected", f"{len(outcome.rows):,}", help="Different rows; exactly the budget.")
        st.metric(
            "In reach",
            f"{outcome.support:,}",
            help="Rows with a probability above zero (the support).",
        )
    for note in outcome.notes:
        st.warning(as_text(note), icon=":material/info:")


def render_sources(view: ProjectView, outcome: Outcome) -> None:
    """Draw the share of each source, beside the pool's and Random's."""
    assert view.pool is not None
    sources, decided = view.pool.sources(), view.decisions
    random = None
    if not decided.dropped[outcome.rows].any():
        random = _random(view.pool.fingerprint, view.log_id, len(outcome.rows), view)
    shares = source_shares(
        sources.codes,
        sources.names,
        outcome.rows,
        decided.candidates,
        decided.pinned_rows,
        random,
    )
    st.markdown(
        "**Where the rows come from**",
        help="Share of each source in this selection, in the whole pool, and in Random at the same "
        "budget (mean of 5 seeds ± standard deviation).",
    )
    st.dataframe(
        [
            {
                "source": share.name,
                "selected": 100 * share.share,
                "pool": 100 * share.pool,
                "random": f"{100 * share.random:.1f} ± {100 * share.random_spread:.1f}",
            }
            for share in shares
        ],
        column_config={
            "source": st.column_config.TextColumn("source", width=95),
            "selected": st.column_config.ProgressColumn(
                "selected %", format="%.1f", min_value=0, max_value=100, width=110
            ),
            "pool": st.column_config.NumberColumn("pool %", format="%.1f", width=55),
            "random": st.column_config.TextColumn("Random %", width=85),
        },
        hide_index=True,
        height="content" if len(shares) < 10 else 360,
        alt="Sources of the selection beside those of the pool and of Random",
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def _random(pool: str, decided: str, budget: int, _view: ProjectView) -> NDArray[np.float64]:
    assert _view.pool is not None
    sources, now = _view.pool.sources(), _view.decisions
    return random_shares(sources.codes, len(sources.names), now.candidates, now.pinned_rows, budget)


def render_chosen(view: ProjectView, outcome: Outcome) -> None:
    """Draw the chosen rows, those that the rule wanted most first, with the reason for each."""
    assert view.pool is not None
    pages = max(1, -(-len(outcome.rows) // _PAGE_ROWS))
    key = f"chosen-page-{outcome.id}"
    start = (min(st.session_state.get(key, 1), pages) - 1) * _PAGE_ROWS
    order = (-outcome.probabilities).argsort(kind="stable")
    places = order[start : start + _PAGE_ROWS]
    rows = outcome.rows[places]
    shown = view.pool.page(rows.tolist())[["row", "source", "prompt"]]
    shown.insert(0, "rank", range(start + 1, start + 1 + len(rows)))
    shown["why"] = outcome.reasons(places)
    shown["probability"] = outcome.probabilities[places]
    if view.clusters is not None:
        titles = view.clusters.titles
        shown["cluster"] = [titles[label] for label in view.clusters.labels[rows].tolist()]
    render_table(
        view,
        shown,
        key=f"chosen-{start}",
        alt="Chosen rows with the reason for each; a click on one opens it",
    )
    if pages > 1:
        st.pagination(pages, key=key)


def render_coverage(view: ProjectView, target: str, coverage: Coverage) -> None:
    """Draw what each target example found, those that found no close row first."""
    assert view.pool is not None
    far = int((~coverage.close).sum())
    order = coverage.order
    texts = target_texts(view, target)
    prompts = view.pool.page(coverage.nearest[order].tolist())["prompt"]
    st.caption(
        f"{far:,} of {len(order):,} target examples found no close row."
        if far
        else f"All {len(order):,} target examples found a close row.",
        help=f"Close: within a distance of {coverage.close_distance:.3f}, as near as nine in ten "
        "rows of the pool have another row (measured on a sample of 256).",
    )
    st.dataframe(
        pd.DataFrame(
            {
                "target": [texts[one] for one in order.tolist()],
                "close": coverage.close[order],
                "pulled": coverage.pulled[order],
                "cosine": coverage.cosines[order],
                "distance": coverage.distances[order],
                "row": coverage.nearest[order],
                "nearest": [shortened(text) for text in prompts],
            }
        ),
        column_config={
            "target": st.column_config.TextColumn("target example", width=440),
            "close": st.column_config.CheckboxColumn("close row", width=70),
            "pulled": st.column_config.NumberColumn(
                "pulled", width=65, help="Chosen rows that this example sent mass to."
            ),
            "cosine": st.column_config.NumberColumn("cosine", format="%.2f", width=65),
            "distance": st.column_config.NumberColumn("distance", format="%.2f", width=70),
            "row": st.column_config.NumberColumn("row", width=70),
            "nearest": st.column_config.TextColumn("nearest row of the pool", width=440),
        },
        hide_index=True,
        height=460,
        alt="Target examples, those without a close row first, with the nearest row of each",
    )


def render_pairs(view: ProjectView, pairs: PairSample, line: float) -> None:
    """Draw a pair of rows just above the line and one just below it."""
    assert view.pool is not None
    for pair in pairs.around(line):
        count = "count as near-duplicates" if pair.cosine > line else "count as different"
        st.markdown(f"**{pair.cosine:.4f}**: these {count}")
        prompts = view.pool.page(list(pair.rows))["prompt"]
        for place, row, prompt in zip(st.columns(2, border=True), pair.rows, prompts, strict=True):
            place.caption(f"row {row:,}")
            place.text(shortened(str(prompt), 200))


def _by_text(selection: Selection, places: NDArray[np.int64], texts: list[str]) -> list[str]:
    """Which examples pulled each row, by their text."""
    reasons = selection.reasons.take(places)
    pulls = reasons.pulls
    assert pulls is not None
    said = []
    for place, pinned in enumerate(reasons.pinned.tolist()):
        named = pulls.of(place).tolist()
        if pinned:
            said.append("pinned")
        elif named:
            said.append(pulled_by(named, len(named), texts))
        else:
            said.append(fills(int(pulls.nearest[place]), texts))
    return said
