"""The map's points as `st.plotly_chart` draws them, with the echo of tests/browser/apps."""

import json
import os

import plotly.graph_objects as go
import streamlit as st

from tests.browser.apps.planted import world

N = int(os.environ.get("MAP_POINTS", "3000"))
st.set_page_config(layout="wide")
points, labels, _ = world(N, 64)


@st.cache_resource
def figure(colour: str) -> go.Figure:
    """One scattergl trace."""
    marker = {"size": 3, "color": labels if colour == "cluster" else points[:, 0]}
    trace = go.Scattergl(x=points[:, 0], y=points[:, 1], mode="markers", marker=marker)
    return go.Figure(trace, {"dragmode": "lasso", "height": 780})


state = st.session_state
state.setdefault("events", 0)


def on_select() -> None:
    """Count one gesture."""
    state.events += 1


colour = st.segmented_control("Colour", ["cluster", "length"], default="cluster")
event = st.plotly_chart(figure(colour), key="map", on_select=on_select, selection_mode="lasso")
shown = {"events": state.events, "selected": len(event.selection.point_indices), "colour": colour}
st.html(f"<output data-echo='{json.dumps(shown)}'></output>")
