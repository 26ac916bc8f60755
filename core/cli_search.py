"""The command that looks for rows: by words, a condition, filters, likeness; and counts them."""

import itertools
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.console import ProjectArgument, aligned, console, pairs
from core.errors import InputError
from core.told import abridged
from core.values import decode_ranges

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.facets import Filter, Histogram
    from core.pool import Pool
    from core.ranking import Ranking

_SHOWN = 20  # rows, when a person reads them
_FIRST_LINE = 90  # characters
_BAR = 32  # characters of the longest bar
_BARS = 40  # values that a person reads
_COUNTS = 5  # lines elsewhere
_LONGEST, _MOST_PLACES = 1e15, 9  # numbers beyond are written with an exponent


def search(
    project: ProjectArgument,
    words: Annotated[
        str,
        typer.Argument(
            metavar="[WORDS]",
            help='All of them: cat finds cats, "cat" only cat, *cat also locate.',
        ),
    ] = "",
    like: Annotated[
        str, typer.Option(metavar="TEXT", help="The rows nearest to this text in meaning.")
    ] = "",
    like_rows: Annotated[
        str, typer.Option(metavar="ROWS", help="The rows nearest to these rows, such as 12,40-45.")
    ] = "",
    where: Annotated[
        str, typer.Option(metavar="SQL", help='A condition, such as "n_chars > 200".')
    ] = "",
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of this source; may be repeated.")
    ] = None,
    between: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=LOW..HIGH", help="With a number in this range; an end may be left out."
        ),
    ] = None,
    is_: Annotated[
        list[str] | None,
        typer.Option(
            "--is", metavar="COLUMN=VALUE", help="With this value; of one column, any of several."
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="With this tag, or any of several.")
    ] = None,
    histogram: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Count by a column, or length, turns, quality, density, source, cluster, "
            "duplicate, tag.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="How many rows likeness gives; 200, or any number with --min-cosine.",
        ),
    ] = None,
    min_cosine: Annotated[
        float | None, typer.Option(metavar="C", help="No row with a lower cosine, by likeness.")
    ] = None,
    dropped: Annotated[
        bool, typer.Option("--dropped", help="Look at rows that were dropped, too.")
    ] = False,
) -> None:
    """Find rows by words, meaning, a condition or filters."""
    from core.facets import Facets
    from core.project import Project
    from core.ranking import LIKE
    from core.search import find_histograms, find_rows

    opened = Project.open(project)
    facets = Facets(opened)
    asked: dict[str, Any] = {
        "like": like,
        "like_rows": decode_ranges(like_rows.replace(" ", "")).tolist() if like_rows else (),
        "where": where,
        "sources": source or (),
        "filters": _filters(between, is_, tag),
        "limit": limit,
        "min_cosine": min_cosine,
        "pool": facets.pool,
        "facets": facets,
        "progress": console.progress,
    }
    if histogram and dropped:
        raise InputError("--histogram counts rows that are kept; leave out --dropped.")
    values: dict[str, Any] = {}
    line = ""
    asking = words.strip() or min_cosine is not None or any(asked[name] for name in _ASKING)
    if not histogram or asking:
        found = find_rows(opened, words, dropped=dropped, **asked)
        rows = found.rows if console.json else found.rows[:_SHOWN]
        listed = _listed(facets.pool, rows[: limit or LIKE])
        values = {"total": len(found.rows), "rows": rows.tolist(), "found": listed}
        if found.cosines is not None and found.ranking is not None:
            for one, cosine in zip(listed, found.cosines.tolist(), strict=False):
                one["cosine"] = round(cosine, 4)
            cut = _cut(facets.pool, found.ranking, len(found.rows))
            values |= cut if console.json else {}
            line = _told(cut)
    short = [{**one, "source": abridged(one["source"])} for one in values.get("found", ())]
    said = "\n".join([*pairs({**values, "found": short}), *([line] if line else [])])
    if not histogram:
        console.values(values, None if console.json else said)
        return
    counted = find_histograms(opened, histogram, words, **asked)
    filtered = {one.column for one in asked["filters"]}
    drawn = [_drawn(one, filtered=one.column in filtered) for one in counted]
    text = "\n\n".join([said] * bool(values) + drawn)
    console.values(
        {**values, "histograms": [one.as_dict() for one in counted]}, None if console.json else text
    )


_ASKING = ("like", "like_rows", "where", "sources", "filters")


def _listed(pool: "Pool", rows: "NDArray[np.int64]") -> list[dict[str, Any]]:
    page = pool.page(rows)
    return [
        {"row": int(row), "source": name, "text": " ".join(prompt.split())[:_FIRST_LINE]}
        for row, name, prompt in zip(page["row"], page["source"], page["prompt"], strict=True)
    ]


def _cut(pool: "Pool", ranking: "Ranking", count: int) -> dict[str, Any]:
    """The rows on both sides of the line, and how many rows other lines would give."""
    sides: dict[str, Any] = {"last": None, "next": None}
    for side, place in (("last", count - 1), ("next", count)):
        if 0 <= place < len(ranking.rows):
            (one,) = _listed(pool, ranking.rows[[place]])
            sides[side] = {**one, "cosine": round(float(ranking.cosines[place]), 4)}
    counts = [{"cosine": cosine, "rows": rows} for cosine, rows in ranking.counts().items()]
    return {**sides, "counts": counts}


def _told(cut: dict[str, Any]) -> str:
    """The same in lines, with the counts nearest to the line."""
    lines = [
        f"{words} {one['cosine']:.4f}, row {one['row']:,}: {one['text']}"
        for words, one in (("Down to cosine", cut["last"]), ("Next is", cut["next"]))
        if one
    ]
    middle = cut["last"]["cosine"] if cut["last"] else 1.0
    near = sorted(cut["counts"], key=lambda one: abs(one["cosine"] - middle))[:_COUNTS]
    by = (f"{one['cosine']:.2f} {one['rows']:,}" for one in cut["counts"] if one in near)
    return "\n".join([*lines, "Rows by cosine at least: " + ", ".join(by)])


def _filters(
    between: list[str] | None, is_: list[str] | None, tags: list[str] | None
) -> "list[Filter]":
    from core.facets import AnyOf, Between

    ranges = []
    for text in between or ():
        column, equals, ends = text.rpartition("=")
        low, dots, high = ends.partition("..")
        try:
            if not (column and equals and dots):
                raise ValueError
            ranges.append(Between(column, float(low or "-inf"), float(high or "inf")))
        except ValueError:
            raise InputError(f"--between takes COLUMN=LOW..HIGH, not {text!r}.") from None
    values = {"tag": list(tags)} if tags else {}
    for text in is_ or ():
        column, equals, value = text.partition("=")
        if not (column and equals):
            raise InputError(f"--is takes COLUMN=VALUE, not {text!r}.")
        values.setdefault(column, []).append(value)
    return [*ranges, *(AnyOf(column, tuple(found)) for column, found in values.items())]


def _drawn(histogram: "Histogram", *, filtered: bool) -> str:
    """A histogram in lines: what a bar holds, rows found, rows kept, and the bar.

    Parameters
    ----------
    filtered : whether the search has a filter on its column, which its own bars do without.
    """
    bars = histogram.as_dict()["bars"]
    if histogram.names is not None:
        bars.sort(key=lambda bar: -bar["kept"])
    most = max((bar["kept"] for bar in bars), default=0) or 1
    places = _places([bar[end] for bar in bars for end in ("low", "high") if end in bar])
    lines = [
        {
            histogram.label: abridged(bar["value"])
            if "value" in bar
            else _range(bar["low"], bar["high"], places),
            "found": bar["left"],
            "kept": bar["kept"],
            " ": "█" * round(_BAR * bar["left"] / most)
            + "░" * (round(_BAR * bar["kept"] / most) - round(_BAR * bar["left"] / most)),
        }
        for bar in bars[:_BARS]
    ]
    more = [f"… and {len(bars) - _BARS:,} more values"] if len(bars) > _BARS else []
    none = [f"without a value: {histogram.none:,} of those found"] if histogram.none else []
    own = [f"found: without the filter on {histogram.label} itself"] if filtered else []
    return "\n".join([*aligned(lines), *more, *none, *own])


def _places(ends: list[float]) -> int:
    """Decimals by which the ends of bars are told apart: one more than the closest two need."""
    if all(float(end).is_integer() for end in ends):
        return 0
    known = sorted({float(f"{end:.9g}") for end in ends})  # 0.1 + 0.2 is 0.3
    closest = min((high - low for low, high in itertools.pairwise(known)), default=0.01)
    return max(0, math.ceil(-math.log10(closest)) + 1)


def _range(low: float, high: float, places: int) -> str:
    """Plain numbers, unless they would be too long to be read."""
    plain = max(abs(low), abs(high)) < _LONGEST and places <= _MOST_PLACES
    form = f",.{places}f" if plain else ",.4g"
    return f"{low:{form}}" if low == high else f"{low:{form}} to {high:{form}}"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(search)
