"""The trade-off curve: cost and reach by diversity weight, and where the settings stand on it."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.selection import Curve
from pages.ui.live import Preview

_HEIGHT = 190
_SHADE, _MARK = "rgba(128, 132, 140, 0.16)", "rgba(128, 132, 140, 0.9)"
HELP = (
    "Alignment cost: mean distance from the target examples to the rows that their mass goes to; "
    "lower is nearer. Rows in reach: rows with a chance above zero (the support). Effective size: "
    "(Σp)²/Σp², dotted: how many rows of equal chance would be as spread out. Grey: too few rows "
    "are in reach for the budget; the dashed line is the smallest weight with enough."
)


def render_curve(curve: Curve, preview: Preview) -> None:
    """Draw the curve with the point of the preview on it."""
    st.plotly_chart(
        _figure(curve, preview),
        key="tradeoff",
        height=_HEIGHT,
        config={"displayModeBar": False},
        alt="Alignment cost and rows in reach against the diversity weight; "
        + limits_in_words(preview),
    )


def limits_in_words(preview: Preview) -> str:
    """What weight and budget leave each other, in a sentence."""
    limits, budget = preview.limits, preview.settings.budget
    assert limits is not None
    if preview.automatic:
        at = min(preview.selection.settings["diversity_weight"], 0.99)
        spare = limits.largest_budget > budget and "duplicate_cosine" in preview.settings.parameters
        return (
            f"Automatic: at {at:.2f}, {limits.largest_budget:,} rows are in reach for {budget:,}"
            + (", enough not to need two that are near-duplicates." if spare else ".")
        )
    weight = preview.settings.parameters["diversity_weight"]
    if limits.smallest_weight is None:
        return f"At no weight are {budget:,} rows in reach."
    least = _up(limits.smallest_weight)
    used = f"; {least:.2f} is used" if limits.largest_budget < budget else ""
    return (
        f"{budget:,} rows need a weight of {least:.2f} or more; "
        f"{weight:.2f} reaches {limits.largest_budget:,}{used}."
    )


def _up(weight: float) -> float:
    """Rounded up, so that the weight that is named is enough."""
    return float(np.ceil(weight * 100) / 100)


def _figure(curve: Curve, preview: Preview) -> go.Figure:
    weights, found = curve.diversity_weights, preview.selection.settings
    at = float(found["diversity_weight"])
    limits, budget = preview.limits, preview.settings.budget
    assert limits is not None
    figure = go.Figure()
    lines = (
        ("alignment cost", curve.alignment_costs, found["alignment_cost"], "y", "solid", ".3f"),
        ("rows in reach", curve.supports, preview.selection.support, "y2", "solid", ",.0f"),
        ("effective size", curve.effective_sizes, found["effective_size"], "y2", "dot", ",.0f"),
    )
    theme = st.context.theme.type or "light"
    colors = st.get_option(f"theme.{theme}.chartCategoricalColors")
    for name, values, value, axis, dash, form in lines:
        color = colors[axis == "y2"]
        figure.add_scatter(
            x=weights,
            y=values,
            name=name,
            yaxis=axis,
            mode="lines",
            line={"color": color, "width": 2 if dash == "solid" else 1.5, "dash": dash},
            hovertemplate=f"{name} %{{y:{form}}}<extra></extra>",
        )
        figure.add_scatter(
            x=[at],
            y=[value],
            yaxis=axis,
            mode="markers",
            marker={"color": color, "size": 9 if dash == "solid" else 6},
            hoverinfo="skip",
        )
    figure.add_vline(at, line={"color": _MARK, "width": 1})
    least = 1.0 if limits.smallest_weight is None else limits.smallest_weight
    if least > 0:
        figure.add_vrect(0, min(least, 0.99), fillcolor=_SHADE, line_width=0, layer="below")
    if 0 < least < 0.99:
        figure.add_vline(least, line={"color": _MARK, "width": 1.5, "dash": "dash"})
    notes = (
        (0, 1, "alignment cost", colors[0]),
        (1, 1, "rows in reach, dotted: effective size", colors[1]),
        (1, 0, "diversity weight", _MARK),  # inside: a title would make the chart higher
    )
    for x, y, text, color in notes:
        figure.add_annotation(
            x=x,
            y=y,
            xref="paper",
            yref="paper",
            xanchor="left" if x == 0 else "right",
            yanchor="bottom",
            text=text,
            font={"color": color, "size": 12},
            showarrow=False,
        )
    figure.update_layout(
        margin={"l": 30, "r": 30, "t": 20, "b": 20},
        hovermode="x",
        showlegend=False,
        xaxis={"range": [0, 0.99], "nticks": 6, "zeroline": False, "showgrid": False},
        yaxis={"nticks": 4, "zeroline": False},
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "type": "log",
            "showgrid": False,
            "dtick": 1,
            "tickformat": "~s",
        },
        meta={"budget": budget, "diversity_weight": at, "smallest_weight": least},
    )
    return figure
