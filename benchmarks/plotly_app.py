"""The same points as the map's bench has, by `st.plotly_chart`; served by `map_bench`."""

import os
import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser" / "apps"))
from planted import world

N, K = int(os.environ["MAP_POINTS"]), int(os.environ["MAP_CLUSTERS"])
st.set_page_config(layout="wide")


@st.cache_resource
def figure() -> go.Figure:
    """One trace by WebGL, coloured by cluster."""
    points, labels, _ = world(N, K)
    dots = go.Scattergl(
        x=points[:, 0].astype(np.float32),
        y=points[:, 1].astype(np.float32),
        mode="markers",
        marker={"size": 2, "color": labels.astype(np.int16), "colorscale": "Turbo"},
        hoverinfo="skip",
    )
    layout = {"dragmode": "lasso", "height": 700, "margin": {"l": 0, "r": 0, "t": 0, "b": 0}}
    return go.Figure(dots, layout)


event = st.plotly_chart(figure(), on_select="rerun", selection_mode=("lasso",), key="plot")
st.html(f"<output data-selected='{len(event.selection.point_indices)}'></output>")
