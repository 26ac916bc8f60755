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

st.set_page_config(layout="wide")


def setting(name, default):
    """From the address (`?clusters=240`), else the environment (MAP_CLUSTERS)."""
    return st.query_params.get(name) or os.environ.get(f"MAP_{name.upper()}", default)


N = int(setting("points", "3000"))
K = int(setting("clusters", "12"))
GROUPS = int(setting("groups", "0"))


points, labels, names = world(N, K)


@st.cache_resource
def packed_places(n, k):
    return Places(points)


@st.cache_resource
def coloring_by(k, colour):
    if colour == "length":
        lengths = np.random.default_rng(1).gamma(2, 300, N)
        return by_number(lengths, label="length", logarithmic=True)
    label = "" if colour == "cluster" else "Source"
    return by_category(labels, names, points=points, label=label)


@st.cache_resource
def payload(n, k, coarse_of, colour, lit, chosen):
    rng = np.random.default_rng(1)
    coloring = coloring_by(k, colour)
    spots = anchors(points, labels, k)
    sizes = np.bincount(labels, minlength=k)
    titles = [
        Title(names[c], tuple(spots.at[c]), int(sizes[c]), c, tuple(spots.boxes[c]))
        for c in range(k)
    ]
    groups = np.arange(k) % max(coarse_of, 1)
    places = anchors(points, groups[labels], coarse_of)
    coarse = [
        Title(
            f"group {g}",
            places.spot(g),
            int(sizes[groups == g].sum()),
            box=places.box(g),
            clusters=tuple(np.flatnonzero(groups == g).tolist()),
        )
        for g in range(coarse_of)
    ]
    marks = None
    if lit == "run":
        marks = (labels == 1) & (rng.random(n) < 0.4)
    if lit == "selection" and len(chosen):
        marks = np.zeros(n, bool)
        marks[list(chosen)] = True
    return pack(
        packed_places(n, k),
        coloring,
        titles=titles,
        coarse=coarse,
        lit=marks,
        dropped=labels == 3 if lit == "dropped" else None,
        context="dim" if lit == "selection" else "grey",
        drops=lit == "selection",
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
state.setdefault("age", 0)
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
        found = rows_in_range(coloring_by(K, state.colour), event.low, event.high)
        state.selected = combine(state.selected, found, event.op)
    if event.kind in ("clear", "drop"):
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


def begin_again():
    """What opening the page anew would do, without opening it."""
    age = state.age + 1
    state.clear()
    state.age = age


def go(cluster):
    st.query_params["focus"] = cluster


if setting("toggle", "") and not st.checkbox("Show the map", value=True):
    st.stop()
bar = st.columns([2, 2, 1, 1, 2], vertical_alignment="center")
colour = bar[0].segmented_control(
    "Colour",
    ["cluster", "source", "length"],
    default="cluster",
    label_visibility="collapsed",
    key=f"colour {state.age}",
)
state.colour = colour
lit = bar[1].segmented_control(
    "Lit",
    ["none", "run", "selection", "dropped"],
    default=setting("lit", "none"),
    label_visibility="collapsed",
    key=f"lit {state.age}",
)
bar[2].button("Re-run")
if "focus" in st.query_params:
    bar[2].button("Go to 1", on_click=go, args=(1,))
bar[3].button("Begin again", on_click=begin_again)
bar[4].markdown(f"**{len(state.selected):,} selected**")
event = show_map(
    payload(N, K, GROUPS, colour, lit, tuple(state.selected) if lit == "selection" else ()),
    key=f"map {state.age}",
    height=int(setting("height", "0")) or "fill",
    on_event=on_event,
    first_line=first_line,
    focus=focus(),
    opened=int(st.query_params["opened"]) if "opened" in st.query_params else None,
)
if setting("echo", "1") == "1":
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
        "age": state.age,
        "asked": state.asked,
    }
    st.html(f"<output data-echo='{json.dumps(shown)}'></output>")
