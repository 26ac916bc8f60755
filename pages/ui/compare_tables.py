"""Where two runs differ: shared rows, sources and clusters gained and lost, rows of one alone."""

from collections.abc import Mapping

import streamlit as st

from core.compare import Comparison, Overlap, Rows, reasons
from core.compare_groups import Groups
from core.runs import Run
from core.told import abridged
from pages.ui.outcome import reasons_by_text
from pages.ui.rows import render_table
from pages.ui.state import ProjectView
from pages.ui.text import as_text, percent

_PAGE_ROWS = 10
_WIDTHS = {"Sources": 120, "Clusters": 190}  # of the names, in pixels
_HEAD = 14  # characters of a run's name that fit over its column
_CHANGES = 8  # rows of a table that need no scrolling


def render_overlap(found: Comparison) -> None:
    """Draw how many rows runs share: a sentence for two runs, a matrix for more."""
    st.markdown(
        "**Overlap**",
        help="Rows that both runs chose; in brackets their share of the smaller one.",
    )
    if len(found.budgets) == 2:
        (pair,) = found.overlaps
        share = percent(100 * pair.share)
        st.markdown(f"{len(pair.shared):,} rows are in both: {share}% of the smaller run.")
        return
    cells = {(pair.first, pair.second): pair for pair in found.overlaps}

    def cell(one: str, other: str) -> str:
        pair = cells.get((one, other)) or cells.get((other, one))
        return f"{len(pair.shared):,} ({percent(100 * pair.share)}%)" if pair else "–"

    names = list(found.budgets)
    st.dataframe(
        [{"": one, **{other: cell(one, other) for other in names}} for one in names],
        column_config={"": st.column_config.TextColumn("run")},  # "" is no run's name
        hide_index=True,
        alt="Rows that each pair of runs shares",
    )


def render_changes(
    what: str,
    groups: Groups,
    first: str,
    second: str | None,
    short: Mapping[str, str] | None = None,
) -> None:
    """Draw a table of shares; a single run is set beside the kept rows.

    Parameters
    ----------
    short : names for the heads of columns, of runs whose own do not fit there.
    """
    run, base = (second, first) if second else (first, None)
    before = base or "kept"
    st.markdown(
        f"**{what} gained and lost**",
        help=f"Share of the rows of {as_text(run)} in each, beside those of "
        f"{as_text(base or 'all kept rows')}; the largest change comes first. It is in percentage "
        "points.",
    )
    changes = groups.changes(run, base)
    st.dataframe(
        [
            {
                "name": one.name,
                "before": 100 * one.share_before,
                "rows before": one.before,
                "after": 100 * one.share_after,
                "rows after": one.after,
                "change": one.points,
            }
            for one in changes
        ],
        column_config={
            "name": st.column_config.TextColumn(what[:-1].lower(), width=_WIDTHS[what]),
            "change": st.column_config.NumberColumn(
                "change", format="%+.1f", width=65, help="In percentage points."
            ),
            **{
                when: st.column_config.NumberColumn(
                    f"{abridged((short or {}).get(name, name), _HEAD)} %",
                    format="%.1f",
                    width=125,
                    help=f"Share of {as_text(whole)}.",
                )
                for when, name, whole in (
                    ("before", before, f"the rows of {base}" if base else "all kept rows"),
                    ("after", run, f"the rows of {run}"),
                )
            },
            **{
                f"rows {when}": st.column_config.NumberColumn(
                    "rows", format="localized", width=58, help=f"Rows of {as_text(name)} in it."
                )
                for when, name in (("before", base or "all kept rows"), ("after", run))
            },
        },
        hide_index=True,
        height=318 if len(changes) > _CHANGES else "auto",
        alt=f"{what} of {run} beside {before}",
    )


def render_rows(view: ProjectView, runs: dict[str, Run], pair: Overlap) -> None:
    """Draw the rows that only one of two runs has, with why it has them."""
    sides = ((pair.first, pair.only_first), (pair.second, pair.only_second))
    st.markdown(
        "**Rows that differ**",
        help="Rows that only one of the two runs chose, likeliest first, and why; a click on one "
        "opens it.",
    )
    tabs = st.tabs([f"Only in {as_text(name)} · {len(rows):,}" for name, rows in sides])
    for tab, (name, rows) in zip(tabs, sides, strict=True):
        with tab:
            _render_only(view, runs[name], rows, f"{pair.first}-{pair.second}")


def _render_only(view: ProjectView, run: Run, rows: Rows, pair: str) -> None:
    assert view.pool is not None
    if not len(rows):
        st.caption("There is none.")
        return
    pages = -(-len(rows) // _PAGE_ROWS)
    key = f"compare-{pair}-{run.id}-{run.report.rows_sha256[:8]}"
    start = (st.session_state.get(key, 1) - 1) * _PAGE_ROWS
    part = reasons(run, rows).slice(start, _PAGE_ROWS)
    shown = view.pool.page(part["row"].to_numpy())[["row", "source", "prompt"]]
    shown["why"] = reasons_by_text(view, run, part["why"].to_pylist())
    render_table(view, shown, key=f"{key}-{start}", alt=f"Rows only in {run.id}, with reasons")
    if pages > 1:
        st.pagination(pages, key=key)
