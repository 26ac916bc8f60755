"""A page that is only the map: planted islands, and an echo of what was done on it."""

import json
import os

import numpy as np
import streamlit as st
from planted import world

from core.coloring import by_category, by_number, rows_in_range
from core.lasso import combine, inside
from core.mappack import Focus, Title, pack
from core.mapplaces import anchors
from core.mapsections import Places
from pages.ui.pointmap import show_map

N = int(os.environ.get("MAP_POINTS", "3000"))
K = int(os.environ.get("MAP_CLUSTERS", "12"))
GROUPS = int(os.environ.get("MAP_GROUPS", "0"))
st.set_page_config(layout="wide")


points, labels, names = world(N, K)


@st.cache_resource
def packed_places():
    return Places(points)


@st.cache_resource
def coloring_by(colour):
    if colour == "length":
        lengths = np.random.default_rng(1).gamma(2, 300, N)
        return by_number(lengths, label="length", logarithmic=True)
    label = "" if colour == "cluster" else "Source"
    return by_category(labels, names, points=points, label=label)


@st.cache_resource
def payload(n, k, colour, lit, chosen):
    rng = np.random.default_rng(1)
    coloring = coloring_by(colour)
    spots = anchors(points, labels, k)
    sizes = np.bincount(labels, minlength=k)
    titles = [
        Title(names[c], tuple(spots.at[c]), int(sizes[c]), c, tuple(spots.boxes[c]))
        for c in range(k)
    ]
    groups = np.arange(k) % max(GROUPS, 1)
    places = anchors(points, groups[labels], GROUPS)
    coarse = [
        Title(
            f"group {g}",
            places.spot(g),
            int(sizes[groups == g].sum()),
            box=places.box(g),
            clusters=tuple(np.flatnonzero(groups == g).tolist()),
        )
        for g in range(GROUPS)
    ]
    marks = None
    if lit == "run":
        marks = (labels == 1) & (rng.random(n) < 0.4)
    if lit == "selection" and len(chosen):
        marks = np.zeros(n, bool)
        marks[list(chosen)] = True
    return pack(
        packed_places(),
        coloring,
        titles=titles,
        coarse=coarse,
        lit=marks,
        dropped=labels == 3 if lit == "dropped" else None,
        context="dim" if lit == "selection" else "grey",
        lit_label="selected" if lit == "selection" else "chosen",
        targets=points[labels == 1][:40] if lit == "run" else None,
        alt=f"Map of {n:,} rows in {k} clusters.",
        caption=f"{n:,} rows · {k} clusters",
        legend=colour != "cluster",
        heading="A made-up map",
    )


state = st.session_state
state.setdefault("selected", np.zeros(0, np.int64))
state.setdefault("events", 0)
state.setdefault("runs", 0)
state.setdefault("asked", [])
state.runs += 1


def on_event(event):
    state.events += 1
    if event.kind in ("lasso", "box"):
        found = inside(points, event.polygon)
        state.selected = combine(state.selected, found, event.op)
    if event.kind == "cluster":
        state.selected = np.flatnonzero(labels == event.cluster)
    if event.kind == "group":
        state.selected = np.flatnonzero(np.isin(labels, event.clusters))
    if event.kind == "range":
        found = rows_in_range(coloring_by(state.colour), event.low, event.high)
        state.selected = combine(state.selected, found, event.op)
    if event.kind == "clear":
        state.selected = np.zeros(0, np.int64)


def first_line(row):
    state.asked.append(row)
    return f"<b>row {row}</b>\n\t{'and so on ' * 30}"


def focus():
    """Of the cluster named in the address: `?focus=3` goes to the fourth."""
    wanted = st.query_params.get("focus")
    if wanted is None:
        return None
    box = anchors(points, labels, K).boxes[int(wanted)]
    return Focus(tuple(map(float, box)), wanted)


def go(cluster):
    st.query_params["focus"] = cluster


if os.environ.get("MAP_TOGGLE") and not st.checkbox("Show the map", value=True):
    st.stop()
bar = st.columns([2, 2, 1, 3], vertical_alignment="center")
colour = bar[0].segmented_control(
    "Colour",
    ["cluster", "source", "length"],
    default="cluster",
    label_visibility="collapsed",
    key="colour",
)
lit = bar[1].segmented_control(
    "Lit",
    ["none", "run", "selection", "dropped"],
    default=os.environ.get("MAP_LIT", "none"),
    label_visibility="collapsed",
)
bar[2].button("Re-run")
if "focus" in st.query_params:
    bar[2].button("Go to 1", on_click=go, args=(1,))
bar[3].markdown(f"**{len(state.selected):,} selected**")
event = show_map(
    payload(N, K, colour, lit, tuple(state.selected) if lit == "selection" else ()),
    key="map",
    height=int(os.environ["MAP_HEIGHT"]) if "MAP_HEIGHT" in os.environ else "fill",
    on_event=on_event,
    first_line=first_line,
    focus=focus(),
    opened=int(st.query_params["opened"]) if "opened" in st.query_params else None,
)
if os.environ.get("MAP_ECHO", "1") == "1":
    shown = {
        "selected": len(state.selected),
        "events": state.events,
        "kind": event.kind if event else None,
        "row": event.row if event else None,
        "cluster": event.cluster if event else None,
        "op": event.op if event else None,
        "vertices": len(event.polygon) if event else 0,
        "low": event.low if event else 0,
        "high": event.high if event else 0,
        "runs": state.runs,
        "asked": state.asked,
    }
    st.html(f"<output data-echo='{json.dumps(shown)}'></output>")
