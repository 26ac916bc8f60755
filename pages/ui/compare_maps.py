"""Two maps with one camera: the rows that both selections have, and those of each alone."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import palette
from core.coloring import Coloring
from core.column_coloring import IN_BOTH, ONLY_FIRST, ONLY_SECOND
from core.mapevent import MapEvent
from core.mappack import pack
from pages.ui.mapview import ground
from pages.ui.pointmap import show_map
from pages.ui.rows import open_dialog
from pages.ui.state import ProjectView

_HEIGHT = 430
_HUES = {"shared": IN_BOTH, "first": ONLY_FIRST, "second": ONLY_SECOND}


def render_maps(view: ProjectView, chosen: dict[str, NDArray[np.int64]]) -> None:
    """Draw the maps of two selections, rows by name; a click on a point opens the row."""
    first, second = chosen
    for place, name, other, hue in zip(
        st.columns(2), (first, second), (second, first), ("first", "second"), strict=True
    ):
        with place:
            _render(view, name, other, chosen, hue)


def _render(
    view: ProjectView, name: str, other: str, chosen: dict[str, NDArray[np.int64]], hue: str
) -> None:
    assert view.pool is not None
    base, rows = ground(view), chosen[name]
    lit = np.zeros(view.pool.rows, bool)
    lit[rows] = True
    payload = pack(
        base.places,
        _coloring(
            view.pool.rows,
            rows,
            chosen[other],
            np.flatnonzero(view.decisions.dropped),
            ("in both", "only here"),
            hue,
        ),
        titles=base.titles,
        coarse=base.coarse,
        lit=lit,
        dropped=view.decisions.dropped,
        context="parts",
        alt=f"Map of {view.pool.rows:,} rows; the {len(rows):,} rows of {name} are highlighted.",
        caption=f"{name} · {len(rows):,} rows",
        link="compare",
        heading=f"{view.project.root.name}, {name}: {len(rows):,} rows",
        selects=False,
    )
    show_map(payload, key=f"compare-map-{hue}", height=_HEIGHT, on_event=_open_row)


def _open_row(event: MapEvent) -> None:
    if event.row is not None:
        open_dialog(event.row)


def _coloring(
    pool_rows: int,
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
    dropped: NDArray[np.int64],
    names: tuple[str, str],
    hue: str,
) -> Coloring:
    """Colours of rows that both have, of those of this one alone, and of the rest."""
    shared = np.isin(rows, others, assume_unique=True)
    codes = np.full(pool_rows, 2, np.uint8)
    codes[rows] = np.where(shared, 0, 1)
    counts = (int(shared.sum()), int((~shared).sum()))
    light, dark = (
        palette.to_rgb(
            [
                palette.CATEGORICAL[theme][_HUES["shared"]],
                palette.CATEGORICAL[theme][_HUES[hue]],
                palette.NEUTRAL[theme],
            ]
        )
        for theme in ("light", "dark")
    )
    legend = {
        "kind": "category",
        "label": "",
        "entries": [
            {"name": names[group], "count": counts[group], "group": group} for group in (1, 0)
        ],
        "other": 0,
        "none": pool_rows - len(np.union1d(rows, dropped)),
    }
    return Coloring(codes, light, dark, names, legend)
