"""Pool: read rows, see what came in and what did not, build the map."""

import streamlit as st

from core.errors import WinnowError
from core.figures import length_histogram
from core.jobs import Step
from core.pool import Pool
from pages.ui import intake, project_delete
from pages.ui.kept import kept_over
from pages.ui.places import place
from pages.ui.rows import render_table
from pages.ui.state import ProjectView, current_view
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text

_PAGE_ROWS = 25
ENCODERS = {"auto": "Automatic", "static": "Static", "minilm": "MiniLM"}


def _render_report(pool: Pool) -> None:
    report = pool.meta["report"]
    formats = ", ".join(f"{name} {count:,}" for name, count in report["formats"].items())
    facts = {
        "Rows": (f"{pool.rows:,}", f"Formats: {formats}"),
        "Rejected": (f"{report['rejected']:,}", "Rows that could not be read; the reasons below."),
        "Exact duplicates": (
            f"{report['exact_duplicates']:,}",
            "Rows whose text, after Unicode and white-space normalisation, stands earlier too.",
        ),
        "Sources": (f"{len(report['sources']):,}", "From the source column, or one per file."),
    }
    for column, (label, (value, meaning)) in zip(st.columns(4), facts.items(), strict=True):
        column.metric(label, value, help=meaning, border=True)
    if report["rejections"]:
        with st.expander(f"{report['rejected']:,} rejected rows, and why"):
            st.dataframe(report["rejections"], hide_index=True, alt="Rejected rows with reasons")
            if report["rejected"] > len(report["rejections"]):
                st.caption(f"The first {len(report['rejections'])} are shown.")


def _render_build(view: ProjectView, pool: Pool) -> None:
    """The one thing to do next: build the map, look at it, or improve it."""
    at_work = busy(view)
    if not view.mapped:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            encoder = st.segmented_control(
                "Features",
                list(ENCODERS),
                format_func=ENCODERS.__getitem__,
                default="auto",
                required=True,
                help="MiniLM finds much better neighbours; static does thousands of rows a "
                "second and is good for a first look. Automatic takes MiniLM if a short trial "
                "says that it is done within two minutes here.",
            )
            label = "Building the map …" if at_work else "Build the map"
            if st.button(label, type="primary", disabled=at_work) and start_job(
                view,
                "Build the map",
                [Step("embed", {"encoder": encoder}), Step("cluster"), Step("map")],
            ):
                st.rerun()
        return
    assert view.features is not None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(place("map"), label="Open the map", icon=":material/bubble_chart:")
        if view.features.encoder == "static":
            st.caption(
                "Static features: good for a first look, not the last word. They find about a "
                "third of the ten nearest neighbours that MiniLM finds.",
                width=520,
            )
            if st.button(
                "Improve with MiniLM in the background", disabled=at_work, icon=":material/upgrade:"
            ) and start_job(
                view, "Improve the map with MiniLM", [Step("upgrade", {"encoder": "minilm"})]
            ):
                st.rerun()
        else:
            st.caption(
                f"Features: {as_text(view.features.encoder)}, {view.features.dim} dimensions."
            )


def _render_kept(view: ProjectView) -> None:
    """Say that what was decided is not lost by other features."""
    if kept := kept_over(view):
        st.caption(f":material/verified_user: {as_text(kept)}")


def _render_rows(view: ProjectView, pool: Pool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Search the rows", type="search", placeholder="A word or a phrase")
        sources = st.multiselect("Sources", pool.sources().names, placeholder="All sources")
    asked = f"{view.project.name}-{words}-{'-'.join(sources)}"
    number = st.session_state.get(f"pool-page-{asked}", 1)
    offset = (number - 1) * _PAGE_ROWS
    try:
        found = pool.search(words, sources=sources, limit=_PAGE_ROWS, offset=offset)
    except WinnowError as error:
        st.error(as_text(error))
        return
    if not found.total:
        st.caption("No row matches; try fewer words or another source.")
        return
    table = pool.page(found.rows)
    render_table(
        view,
        table[["row", "source", "prompt", "answer", "n_chars"]],
        key=f"pool-rows-{number}-{asked}",
        alt="Rows of the pool; a click on one opens it",
    )
    pages = -(-found.total // _PAGE_ROWS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{found.total:,} row{'s' if found.total > 1 else ''}", width="content")
        if pages > 1:
            st.pagination(pages, key=f"pool-page-{asked}")


def render() -> None:
    """Draw the page: read a pool, or what came in and what to do next."""
    view = current_view()
    if view is None or view.pool is None:
        intake.render(view)
    else:
        _render_report(view.pool)
        _render_build(view, view.pool)
        _render_kept(view)
        with st.container(border=True):
            st.markdown("**Length of the rows**", help="Characters of prompt and answer together.")
            st.plotly_chart(
                length_histogram(view.pool.lengths()),
                alt="Histogram of the rows' lengths",
                height=170,
                config={"displayModeBar": False},
            )
        _render_rows(view, view.pool)
        project_delete.render(view)


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
