"""The list of clusters on the map page; what is ticked is selected."""

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.mapview import cluster_colors, cluster_step
from pages.ui.selection import clear_selection, select_rows
from pages.ui.state import ProjectView


def render(view: ProjectView) -> None:
    """Draw the list, the largest cluster first."""
    clusters = view.clusters
    assert clusters is not None
    kept = np.bincount(clusters.labels[~view.decisions.dropped], minlength=len(clusters.titles))
    order = np.argsort(-np.asarray(clusters.sizes), kind="stable")
    st.markdown("**Clusters**", help="Tick one or more to select their rows.")
    columns: dict[str, list[object]] = {
        "color": ["●"] * len(order),
        "title": [clusters.titles[i] for i in order],
        "rows": [int(clusters.sizes[i]) for i in order],
    }
    dropped = view.decisions.dropped.any()
    if dropped:
        columns["kept"] = [100 * kept[i] / max(1, clusters.sizes[i]) for i in order]
    colors = iter(cluster_colors(view)[order])
    event = st.dataframe(
        pd.DataFrame(columns).style.map(lambda _: f"color: {next(colors)}", subset=["color"]),
        column_config={
            "color": st.column_config.TextColumn("", width=26, help="Its colour on the map."),
            "title": st.column_config.TextColumn("title", width=140 if dropped else 184),
            "rows": st.column_config.ProgressColumn(
                "rows", format="%d", max_value=int(max(clusters.sizes)), width=75
            ),
            "kept": st.column_config.NumberColumn("kept %", format="%.0f", width=50),
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        height=360,
        alt="Clusters with their sizes and the share of rows kept",
        key=f"cluster-list-{clusters.fingerprint}",
    )
    ticked = tuple(int(order[i]) for i in event.selection.rows)
    known = f"ticked-{clusters.fingerprint}"
    if ticked == st.session_state.get(known, ()):
        return
    st.session_state[known] = ticked
    if ticked:
        rows = np.flatnonzero(np.isin(clusters.labels, ticked) & ~view.decisions.dropped)
        origin = "clusters " + ", ".join(clusters.titles[i] for i in ticked)
        select_rows(view, rows, origin, by=cluster_step(view, ticked))
    else:
        clear_selection()
    st.rerun()
