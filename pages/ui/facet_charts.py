"""The component of histograms whose bars filter: what it is sent, and what a choice on it means."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.facet_columns import Column, NumberColumn
from core.facets import AnyOf, Between, Filter, Histogram
from pages.ui.component import declare

_MOST_VALUES = 60  # of a column of names
_LONG = 1e15  # numbers from which on digits say less than a power of ten
_UNEVEN = 2  # how much wider the last bar is than the first where they are of one ratio
_COMPONENT = declare("facets", "nodes.js")


def show_facets(
    histograms: Sequence[Histogram],
    filters: Sequence[Filter],
    removable: Sequence[str],
    *,
    key: str,
    on_choice: Callable[[dict[str, Any]], None],
) -> None:
    """Draw histograms with the bars of the filters in use lit; a choice calls `on_choice`."""
    of = {rule.column: rule for rule in filters}
    facets = [_facet(one, of.get(one.column), one.column in removable) for one in histograms]

    def called() -> None:
        state = st.session_state.get(key)
        choice = state.get("chosen") if isinstance(state, dict) else None
        if isinstance(choice, dict):
            on_choice(choice)

    _COMPONENT(data={"facets": facets}, key=key, on_chosen_change=called)


def chosen_filter(choice: dict[str, Any], column: Column, now: Filter | None) -> Filter | None:
    """The filter on a column after a choice: a range of bars, or a value more or less.

    A choice that names bars or values that are not there changes nothing.
    """
    if choice.get("clear"):
        return None
    if isinstance(column, NumberColumn):
        low, high = choice.get("low"), choice.get("high")
        if not (isinstance(low, int) and isinstance(high, int)):
            return now
        if not 0 <= low <= high < len(column.lows):
            return now
        return Between(column.name, float(column.lows[low]), float(column.highs[high]))
    value = choice.get("value")
    if value not in column.names:
        return now
    chosen = now.values if isinstance(now, AnyOf) else ()
    left = tuple(one for one in chosen if one != value)
    values = left if value in chosen else (*chosen, str(value))
    return AnyOf(column.name, values) if values else None


def told(rule: Filter) -> str:
    """What a filter takes, in a few words."""
    if isinstance(rule, AnyOf):
        return ", ".join(rule.values)
    return _range(rule.low, rule.high)


def _facet(histogram: Histogram, rule: Filter | None, removable: bool) -> dict[str, Any]:
    names = histogram.names
    bars = _number_bars(histogram, rule) if names is None else _name_bars(histogram, rule)
    few = "row has" if histogram.none == 1 else "rows have"
    notes = [f"{histogram.none:,} {few} no value."] if histogram.none else []
    if names is not None and len(names) > len(bars):
        notes.append(f"The largest {len(bars)} of {len(names):,} values.")
    return {
        "column": histogram.column,
        "label": histogram.label,
        "kind": "number" if names is None else "names",
        "bars": bars,
        "ends": _ends(histogram, bars) if names is None and bars else [],
        "picked": rule is not None,
        "said": told(rule) if rule else "",
        "removable": removable,
        "notes": notes,
    }


def _ends(histogram: Histogram, bars: list[dict[str, Any]]) -> list[str]:
    """What stands below the bars: the lowest and the highest number, and what lies between."""
    assert histogram.lows is not None and histogram.highs is not None
    widths = np.diff(histogram.lows[1:])  # the first bar reaches down to the end
    by_ratio = len(widths) > 1 and (histogram.highs > histogram.lows).any()
    scale = ["log scale"] if by_ratio and widths[-1] > _UNEVEN * widths[0] else []
    return [bars[0]["low"], *scale, bars[-1]["high"]]


def _number_bars(histogram: Histogram, rule: Filter | None) -> list[dict[str, Any]]:
    assert histogram.lows is not None and histogram.highs is not None
    bars = []
    for low, high, total, left in zip(
        histogram.lows.tolist(), histogram.highs.tolist(), histogram.total.tolist(),
        histogram.left.tolist(), strict=True,
    ):  # fmt: skip
        on = isinstance(rule, Between) and rule.low <= high and rule.high >= low
        bars.append(
            {
                "name": _range(low, high),
                "low": _number(low),
                "high": _number(high),
                "total": total,
                "left": left,
                "on": on,
            }
        )
    return bars


def _name_bars(histogram: Histogram, rule: Filter | None) -> list[dict[str, Any]]:
    """The largest values, and those that are chosen."""
    assert histogram.names is not None
    chosen = rule.values if isinstance(rule, AnyOf) else ()
    order = np.argsort(-histogram.total, kind="stable")
    shown = [
        place
        for rank, place in enumerate(order.tolist())
        if rank < _MOST_VALUES or histogram.names[place] in chosen
    ]
    return [
        {
            "name": histogram.names[place],
            "total": int(histogram.total[place]),
            "left": int(histogram.left[place]),
            "on": histogram.names[place] in chosen,
        }
        for place in shown
    ]


def _range(low: float, high: float) -> str:
    return _number(low) if low == high else f"{_number(low)} – {_number(high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < _LONG else f"{value:.3g}"
