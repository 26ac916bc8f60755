"""Refine: draw in rounds, train and score each, and see which clusters gain and lose by it."""

import streamlit as st

from core.errors import WinnowError
from pages.ui import (
    refine_beside,
    refine_cluster,
    refine_control,
    refine_rounds,
    refine_setup,
    refine_state,
    refine_weights,
)
from pages.ui.empty import stop_with
from pages.ui.state import current_view
from pages.ui.text import as_text


def render() -> None:
    """Draw the page: which refinement, its rounds, weights, clusters and rows."""
    view = current_view()
    if view is None or view.pool is None:
        stop_with("No pool yet", "A refinement draws rows from a pool.", "pool", "Load a pool")
    if view.features_id is None:
        stop_with("No features yet", "Clusters are found with them.", "pool", "Build the map")
    if view.clusters is None:
        stop_with("No clusters yet", "Their weights are what is refined.", "pool", "Build the map")
    bar = st.container(horizontal=True, vertical_alignment="center")
    with bar:
        name = refine_state.choose(view)
    if name is None:
        refine_setup.render(view)
        return
    try:
        history = refine_state.history(view, name)
    except WinnowError as error:
        st.error(as_text(error), icon=":material/error:")
        refine_control.render_delete(view, name)
        return
    with bar:
        refine_control.render_buttons(view, history)
    refine_control.render(view, history)
    refine_weights.render_strip(history)
    ranked, panel = st.columns([0.58, 0.42], gap="medium")
    with ranked:
        refine_weights.render_list(history)
    with panel:
        refine_cluster.render(view, history)
    if history.rounds:
        refine_rounds.render(view, history)
        refine_beside.render(view, history)


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
