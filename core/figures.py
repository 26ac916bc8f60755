"""Data to Plotly figures; no Streamlit here, so a report can use them too."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

_BINS = 48
_ACCENT = "#3f7cf0"  # legible on light and dark alike


def length_histogram(lengths: NDArray[np.int32]) -> go.Figure:
    """Rows by length in characters, on a logarithmic axis.

    Parameters
    ----------
    lengths : ndarray of int32, shape (rows,)
    """
    logs = np.log10(np.maximum(lengths, 1))
    counts, edges = np.histogram(logs, bins=_BINS)
    low, high = 10 ** edges[:-1], 10 ** edges[1:]
    figure = go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges) * 0.92,
            marker_color=_ACCENT,
            customdata=np.stack([low, high], axis=1),
            hovertemplate="%{customdata[0]:,.0f}–%{customdata[1]:,.0f} characters"
            "<br>%{y:,} rows<extra></extra>",
        )
    )
    ticks = np.arange(np.ceil(edges[0]), np.floor(edges[-1]) + 1)
    if len(ticks) < 2:  # lengths much alike: few powers of ten lie among them, or none
        whole = np.unique(np.rint(10 ** np.linspace(edges[0], edges[-1], 5)))
        ticks = np.log10(np.unique(np.maximum(whole, 1)))
    figure.update_layout(
        height=170,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={
            "tickvals": ticks,
            "ticktext": [f"{10**tick:,.0f}" for tick in ticks],
            "title": "characters",
        },
        yaxis={"title": "rows"},
        showlegend=False,
    )
    return figure


def small_histogram(edges: NDArray[np.float64], counts: NDArray[np.int64], unit: str) -> go.Figure:
    """Rows by a value, in a few lines of height.

    Parameters
    ----------
    edges : ndarray of float64, shape (bins + 1,)
    counts : ndarray of int64, shape (bins,)
    unit : what the value is, for those who point at a bar.
    """
    figure = go.Figure(
        go.Bar(
            x=np.arange(len(counts)),
            y=counts,
            marker_color=_ACCENT,
            customdata=np.stack([edges[:-1], edges[1:]], axis=1),
            hovertemplate=f"%{{customdata[0]:,.3~g}}–%{{customdata[1]:,.3~g}} {unit}"
            "<br>%{y:,} rows<extra></extra>",
        )
    )
    # Inner ends, too: bars may be of one ratio, not of one width.
    at = np.unique(np.linspace(0, len(counts), 4).astype(int))
    ends = [f"{end:,.0f}" if abs(end) >= 100 else f"{end:.3g}" for end in edges[at].tolist()]
    figure.update_layout(
        height=96,
        bargap=0.08,
        margin={"l": 12, "r": 24, "t": 4, "b": 0},
        xaxis={"tickvals": at - 0.5, "ticktext": ends},
        yaxis={"visible": False},
        showlegend=False,
    )
    return figure
