"""One cluster on the map page: what is in it."""

import streamlit as st

from core.cluster_stats import ClusterCard, cluster_card
from core.figures import small_histogram
from pages.ui.excerpts import excerpt
from pages.ui.reader import open_row
from pages.ui.state import ProjectView
from pages.ui.text import as_text, percent

_SOURCES = 4
_LEAST_SHARE = 0.005
_NEAREST = 3
_EXAMPLES = 3


def render(view: ProjectView, number: int) -> None:
    """Draw the card, folded until a person opens it."""
    card = st.expander("About this cluster", on_change="rerun", key="cluster-card")
    if card.open:
        with card:
            _render_card(view, number)


def _render_card(view: ProjectView, number: int) -> None:
    assert view.pool is not None
    card = cluster_card(view.seen, number, quality=view.pool.quality_column())
    st.caption(", ".join(as_text(word) for word in card.keywords))
    shares = [one for one in card.sources.items() if one[1] >= _LEAST_SHARE][:_SOURCES]
    told = ", ".join(f"{as_text(name)} {percent(100 * share)}%" for name, share in shares)
    st.caption(f"Sources: {told}")
    near = card.nearest[:_NEAREST]
    if near:
        told = ", ".join(f"{as_text(one.title)} ({one.cosine:.2f})" for one in near)
        st.caption(f"Nearest clusters: {told}")
    for name, unit, histogram in (
        ("Length", "characters", card.lengths),
        ("Quality", "", card.quality),
    ):
        if histogram is None:
            continue
        st.caption(name)
        st.plotly_chart(
            small_histogram(histogram.edges, histogram.counts, unit),
            alt=f"{name} of the cluster's rows",
            height=96,
            config={"displayModeBar": False},
            key=f"card-{name}",
        )
    _render_examples(view, card)


def _render_examples(view: ProjectView, card: ClusterCard) -> None:
    assert view.pool is not None
    kinds = {"Central": card.central, "Border": card.border, "Random": card.random}
    kind = st.segmented_control(
        "Rows", list(kinds), default="Central", required=True, label_visibility="collapsed",
        key="card-rows",
    )  # fmt: skip
    rows = kinds[kind][:_EXAMPLES]
    for row, prompt in zip(rows, view.pool.page(rows)["prompt"], strict=True):
        st.button(
            excerpt([str(prompt)], []) or "(empty)",
            key=f"card-row-{row}",
            type="tertiary",
            on_click=open_row,
            args=(row,),
            help=f"Read row {row:,}",
        )
