"""The history of a refinement as Plotly figures, in the colours of the map."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core import palette
from core.refinement.history import History
from core.told import shortened

_ROW = 24  # pixels of a round in the heat strip
_MOST_ROWS = 12  # rounds beyond which its rows get lower
_SOURCES = 8  # that have a colour of their own
_TITLE = 60  # characters
_NAME = 22  # characters of a title below the strip
_LETTER, _LINE = 7, 26  # pixels of a letter, and from one slanting title to the next
_WIDTH = 1200  # pixels of the strip, about: it is as wide as the page
_ANGLE, _BELOW, _ASIDE = 35, 96, 96  # of slanting titles, in degrees; their room in pixels
_ROUND, _EDGE = 62, 42  # pixels beside the strip, for "round 99", and for the legend's last word
_ABOVE, _LEGEND = 44, 260  # height above the strip, and length there of the legend of its colours
_MOST_TIMES = 3  # doublings or halvings that have a colour of their own
_FRAME = {"light": "#1a2130", "dark": "#e4e8ef"}  # around the cluster that is open


def heat_strip(
    history: History, *, theme: palette.Theme, since_start: bool, opened: int | None
) -> go.Figure:
    """Weights of the clusters by round: a column for each cluster, the heaviest now on the left.

    Parameters
    ----------
    since_start : colour by how many times the first weight it is, not by the weight.
    opened : the cluster whose column has a frame.

    Its second trace, which nobody sees, has a point for each cell with the cluster as its
    `customdata`: a heat map by itself cannot be clicked.
    """
    order = history.by_weight
    weights = history.weights[order].T
    titles = [shortened(history.clusters.titles[number], _TITLE) for number in order]
    names = [f"round {number + 1}" for number in range(history.rounds)] + ["now"]
    rows, columns = weights.shape
    if since_start:
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.log2(weights / weights[0])
        shown = np.clip(np.nan_to_num(times, nan=0.0), -_MOST_TIMES, _MOST_TIMES)
        most = max(1.0, float(np.abs(shown).max()))
        colors, low = _diverging(theme), -most
        end = f"{2**most:.2g}{' or more' if most == _MOST_TIMES else ''}"
        legend = {-most: f"÷ {end}", 0.0: "as at the start", most: f"× {end}"}
    else:
        shown, low, most = np.sqrt(weights), 0.0, float(np.sqrt(weights.max()))
        colors = _sequential(theme)
        legend = {share * most: f"{100 * (share * most) ** 2:.2g} %" for share in (0.0, 0.5, 1.0)}
    place = int(np.flatnonzero(order == opened)[0]) if opened is not None else None
    ticks, most_letters, angle, below = _names_at(columns, place)
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=np.arange(columns),
            y=np.arange(rows),
            zmin=low,
            zmax=most,
            colorscale=colors,
            colorbar={
                "orientation": "h",
                "x": 1,
                "xanchor": "right",
                "y": 1,
                "yanchor": "bottom",
                "len": _LEGEND,
                "lenmode": "pixels",
                "thickness": 8,
                "xpad": 0,
                "ypad": 2,
                "outlinewidth": 0,
                "tickvals": list(legend),
                "ticktext": list(legend.values()),
                "ticks": "",
            },
            hoverinfo="skip",
            xgap=1 if columns <= 120 else 0,
            ygap=2,
        )
    )
    x, y = np.tile(np.arange(columns), rows), np.repeat(np.arange(rows), columns)
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": _ROW, "symbol": "square", "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=order[x],
        text=[
            f"<b>{_safe(titles[column])}</b><br>{names[row]}: {weights[row, column]:.2%}"
            for row in range(rows)
            for column in range(columns)
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    figure.add_annotation(
        text="weight beside the first one" if since_start else "weight",
        showarrow=False,
        xref="paper",
        yref="paper",
        x=1,
        y=1,
        xanchor="right",
        yanchor="bottom",
        xshift=-_LEGEND - 44,
        yshift=16,
        font={"size": 11},
    )
    if place is not None:
        figure.add_shape(
            type="rect",
            x0=place - 0.5,
            x1=place + 0.5,
            y0=-0.5,
            y1=rows - 0.5,
            line={"color": _FRAME[theme], "width": 2},
        )
    figure.update_layout(
        height=_ROW * min(rows, _MOST_ROWS) + _ABOVE + below,
        # Fixed: else the legend above would be given room that the strip needs.
        margin={
            "l": _ROUND,
            "r": _ASIDE if angle else _EDGE,
            "t": _ABOVE,
            "b": below,
            "autoexpand": False,
        },
        xaxis={
            "tickvals": ticks,
            "ticktext": [_safe(shortened(titles[tick], most_letters)) for tick in ticks],
            "tickangle": angle,
            "ticklabelstandoff": -6 if angle else 0,
            "automargin": False,
            "fixedrange": True,
            "range": [-0.5, columns - 0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
        yaxis={
            "tickvals": np.arange(rows),
            "ticktext": names,
            "range": [rows - 0.5, -0.5],  # Plotly's own would leave room around the unseen points
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
        dragmode=False,
        clickmode="event+select",
        hovermode="closest",
        showlegend=False,
    )
    return figure


def _names_at(columns: int, opened: int | None) -> tuple[list[int], int, int, int]:
    """Columns whose titles have room below the strip; their letters, angle and height in pixels."""
    letters = _WIDTH // columns // _LETTER
    if letters >= _NAME:
        return list(range(columns)), letters, 0, 28
    step = -(-columns * _LINE // _WIDTH)
    ticks = set(range(0, columns, step))
    if opened is not None:  # it has its own, in place of those too near
        ticks = {tick for tick in ticks if abs(tick - opened) >= step} | {opened}
    return sorted(ticks), _NAME, _ANGLE, _BELOW


def source_bars(history: History, *, theme: palette.Theme) -> go.Figure:
    """Share of the rows of each round by source, stacked; small sources together."""
    totals = history.source_counts.sum(axis=0)
    order = np.argsort(-totals, kind="stable")
    order = order[totals[order] > 0]
    shares = history.source_counts / np.maximum(history.source_counts.sum(axis=1), 1)[:, None]
    rounds = [f"round {number + 1}" for number in range(history.rounds)]
    figure = go.Figure()

    def add(name: str, values: NDArray[np.float64], color: str) -> None:
        figure.add_bar(
            y=rounds,
            x=values,
            orientation="h",
            name=_safe(name),
            marker_color=color,
            hovertemplate=f"{_safe(name)}: %{{x:.1%}}<extra>%{{y}}</extra>",
        )

    named = order if len(order) <= _SOURCES else order[: _SOURCES - 1]
    for place, number in enumerate(named.tolist()):
        name = shortened(history.sources[number], 24)
        add(name, shares[:, number], palette.CATEGORICAL[theme][place])
    rest = order[len(named) :]
    if len(rest):
        add(f"{len(rest)} others", shares[:, rest].sum(axis=1), palette.NEUTRAL[theme])
    figure.update_layout(
        barmode="stack",
        bargap=0.25,
        height=30 * len(rounds) + 130,  # of which three lines of names take half, at most
        margin={"l": 0, "r": 24, "t": 0, "b": 0},
        xaxis={"tickformat": ".0%", "range": [0, 1], "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "ticks": ""},
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "title": "",
            "traceorder": "normal",
        },
    )
    return figure


def loss_curve(
    losses: Sequence[Sequence[tuple[int, float]]], *, theme: palette.Theme, first: int = 1
) -> go.Figure:
    """Training loss by step, round after round.

    Parameters
    ----------
    losses : of each round, pairs of step and loss.
    first : number of the first of these rounds.
    """
    figure, before = go.Figure(), 0
    for number, one in enumerate(losses, first):
        if not one:
            continue
        steps, values = zip(*one, strict=True)
        figure.add_scatter(
            x=[before + step for step in steps],
            y=values,
            mode="lines+markers" if len(one) == 1 else "lines",
            line={"color": palette.CATEGORICAL[theme][(number - 1) % 8], "width": 2},
            name=f"round {number}",
            hovertemplate=f"round {number}, step %{{x:,}}: %{{y:.3f}}<extra></extra>",
        )
        before += steps[-1]
    figure.update_layout(
        height=210,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        xaxis={"title": "step", "fixedrange": True},
        yaxis={"title": "loss", "fixedrange": True},
        showlegend=False,
    )
    return figure


def _sequential(theme: palette.Theme) -> list[tuple[float, str]]:
    colors = palette.scale(theme)
    at = np.linspace(0, 255, 9).astype(int)
    return [(place / 255, f"#{bytes(colors[place]).hex()}") for place in at.tolist()]


def _diverging(theme: palette.Theme) -> list[tuple[float, str]]:
    middle = {"light": "#eef0f4", "dark": "#2a313d"}[theme]
    less, more = palette.CATEGORICAL[theme][1], palette.CATEGORICAL[theme][0]
    return [(0.0, less), (0.5, middle), (1.0, more)]


def _safe(text: str) -> str:
    """Text that Plotly takes for text: it reads a few tags of HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
