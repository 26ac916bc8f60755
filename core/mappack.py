"""The one message that carries a map to the browser, at most eight bytes a point.

Layout, little-endian::

    bytes 0–3    magic "WNM1"
    bytes 4–7    rows, uint32
    bytes 8–11   clusters that titles may name, uint32
    bytes 12–15  length of the header, uint32, such that the sections start at a multiple of 8
    header       JSON, UTF-8, padded with spaces
    sections     xy (uint16 × 2 a point), group (uint8 or uint16), flags (bits), targets

Flags travel as planes of bits, the first for lit, the second for dropped rows; the item size of
that section is 0. A message can be split in three, so that coordinates, which stay the same while
colours change, and groups, which stay the same while rows are lit, need not travel again: such a
section has no offset in the part with the rest.

The header lists the sections with an id made from their content, so that the browser uploads
only what changed. Points travel in the order of a golden-ratio stride over the rows: whichever
source a file happens to end with does not paint over the others, and any prefix is an even
sample. The browser turns a position back into a row with one multiplication.
"""

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.coloring import Coloring, legend_of
from core.errors import InputError
from core.mapsections import Places, Section, flag_section, golden_stride, group_section, in_unit

MAGIC = b"WNM1"
PREAMBLE = struct.Struct("<4sIII")

# Sections that travel alone: only another layout changes the first, another colour the second.
_ALONE = ("xy", "group")

Context = Literal["grey", "dim", "parts"]


@dataclass(frozen=True)
class Title:
    """A name on the map. `at` and `box` (x0, y0, x1, y1) are map coordinates.

    A coarse title stands for several `clusters`, another one for its `cluster`, or none (-1).
    """

    text: str
    at: tuple[float, float]
    size: int
    cluster: int = -1
    box: tuple[float, float, float, float] | None = None
    clusters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Focus:
    """A place to go to: the `box` (x0, y0, x1, y1) in map coordinates, once for each `id`."""

    box: tuple[float, float, float, float]
    id: str


def pack(
    points: np.ndarray | Places,
    coloring: Coloring,
    *,
    titles: Sequence[Title] = (),
    coarse: Sequence[Title] = (),
    lit: np.ndarray | None = None,
    dropped: np.ndarray | None = None,
    context: Context = "grey",
    lit_label: str = "chosen",
    targets: np.ndarray | None = None,
    alt: str = "",
    caption: str = "",
    legend: bool = True,
    link: str = "",
    selects: bool = True,
    drops: bool = False,
    file: str = "",
    heading: str = "",
) -> bytes:
    """Return the message that shows a map.

    Parameters
    ----------
    points : ndarray of shape (n, 2), finite, or Places
        Map coordinates, from `display_points`; as `Places` they are packed once for many messages.
    coloring : Coloring
        From `by_category` or `by_number`, with n codes.
    titles : sequence of Title
        Larger `size` wins where two would overlap; one that is nowhere (NaN) is left out.
    coarse : sequence of Title
        Shown instead while the map is so far away that most titles find no place.
    lit : ndarray of shape (n,), bool, optional
        Rows to show on top and larger.
    dropped : ndarray of shape (n,), bool, optional
        Rows to show as faint grey.
    context : {"grey", "dim", "parts"}, default="grey"
        How the other rows look when some are lit: grey, with the lit ones in the accent
        colour (a run); their own colour faded, with the lit ones in theirs (a lasso); or grey,
        with the lit ones in their own colour (parts of a run).
    lit_label : str, default="chosen"
        What lit means, for the legend.
    targets : ndarray of shape (m, 2), optional
        Map coordinates of target rows, drawn as diamonds.
    alt : str
        What a person who cannot see the map should hear.
    caption : str
        One short line in the corner.
    legend : bool, default=True
        False leaves it out, where titles or a list beside the map say it already.
    link : str, default=""
        Maps on one page with the same link show the same part: who moves one moves all.
    selects : bool, default=True
        False leaves out lasso, box and range: the map is to be looked at.
    drops : bool, default=False
        Whether the lit rows can be dropped on the map, where it fills the screen.
    file : str
        What a saved picture is called; the caption if empty.
    heading : str
        The first line of a saved picture.

    Raises
    ------
    InputError
        If lengths disagree, there is no point, or a coordinate is not finite.
    """
    places = points if isinstance(points, Places) else Places(points)
    n = places.n
    for name, array in (("coloring", coloring.codes), ("lit", lit), ("dropped", dropped)):
        if array is not None and len(array) != n:
            raise InputError(f"The map has {n} points, but {name} has {len(array)}.")
    aims = np.zeros((0, 2)) if targets is None else np.asarray(targets).reshape(-1, 2)
    sections = [
        places.section,
        group_section(coloring),
        flag_section(lit, dropped, n),
        Section.of("targets", places.quantised(aims)),
    ]
    # Each row counts once: those that are lit first, then those that were dropped.
    chosen = 0 if lit is None else int(np.count_nonzero(lit))
    faint = None if dropped is None else dropped if lit is None else dropped & ~lit
    gone = 0 if faint is None else int(np.count_nonzero(faint))
    said = coloring.legend if faint is None or not gone else legend_of(coloring, ~faint)
    header = {
        "n": n,
        "stride": golden_stride(n),
        "frame": [float(places.low[0]), float(places.low[1]), places.span],
        "extent": places.extent,
        "sections": _listed(sections),
        "light": coloring.light.tobytes().hex(),
        "dark": coloring.dark.tobytes().hex(),
        "names": coloring.names,
        "legend": said if legend else None,
        "context": context if lit is not None else None,
        "lit": chosen,
        "litLabel": lit_label,
        "dropped": gone,
        "others": n - chosen - gone,
        "titles": _titles(places, titles),
        "coarse": _titles(places, coarse),
        "alt": alt or f"Map of {n:,} rows.",
        "caption": caption,
        "link": link or None,
        "selects": selects,
        "drops": drops,
        "file": file,
        "heading": heading,
    }
    clusters = max((title.cluster for title in titles), default=-1) + 1
    padded = [one.blob + b"\0" * (-len(one.blob) % 8) for one in sections]
    return _message(n, clusters, header, padded)


def _listed(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """The sections with their places in the message, for its header."""
    offset, listed = 0, []
    for one in sections:
        size = len(one.blob)
        listed.append(
            {"name": one.name, "id": one.id, "offset": offset, "bytes": size, "item": one.item}
        )
        offset += size + -size % 8
    return listed


def _titles(places: Places, titles: Sequence[Title]) -> list[dict[str, Any]]:
    return [_title(places, title) for title in titles if math.isfinite(sum(title.at))]


def _title(places: Places, title: Title) -> dict[str, Any]:
    said = {
        "text": title.text,
        "at": places.point(title.at),
        "size": title.size,
        "cluster": title.cluster,
        "box": places.box(title.box) if title.box else None,
    }
    return {**said, "clusters": title.clusters} if title.clusters else said


@dataclass(frozen=True)
class Parts:
    """A message in three: `places` of the points, their `groups`, and `marks`, all the rest.

    `name` differs between maps of other coordinates, and between those of one page.
    """

    places: bytes
    groups: bytes
    marks: bytes
    name: str


def split(
    payload: bytes,
    *,
    key: str = "",
    lines: bool = False,
    focus: Focus | None = None,
    addressed: bool = False,
) -> Parts:
    """Part a message, and say what only the page knows of it.

    Parameters
    ----------
    payload : bytes
        From `pack`.
    key : str
        Tells maps on one page apart.
    lines : bool, default=False
        Whether the map may ask for the first line of a row.
    focus : Focus, optional
        Where the map goes to; one whose numbers are not finite is left out.
    addressed : bool, default=False
        Whether the view is part of the page's address.
    """
    _, n, clusters, length = PREAMBLE.unpack_from(payload)
    start = PREAMBLE.size + length
    header = json.loads(payload[PREAMBLE.size : start])
    first = header["sections"]
    x, y, span = header["frame"]
    header["name"] = name = f"{key} {first[0]['id']}"
    header["lines"] = lines
    header["addressed"] = addressed
    if focus is not None and all(map(math.isfinite, focus.box)):
        box = [*in_unit(focus.box[:2], (x, y), span), *in_unit(focus.box[2:], (x, y), span)]
        header["focus"] = {"id": focus.id, "box": box}
    alone = {one["name"]: one for one in first if one["name"] in _ALONE}
    marks = [one for one in first if one["name"] not in _ALONE]

    def blobs(sections: list[dict[str, Any]]) -> list[bytes]:
        ends = [start + one["offset"] + one["bytes"] + -one["bytes"] % 8 for one in sections]
        return [
            payload[start + one["offset"] : end] for one, end in zip(sections, ends, strict=True)
        ]

    elsewhere = [{**one, "offset": None} for one in alone.values()]
    places, groups = (
        _message(n, clusters, {"sections": _placed([alone[one]])}, blobs([alone[one]]))
        for one in _ALONE
    )
    header["sections"] = [*elsewhere, *_placed(marks)]
    return Parts(places, groups, _message(n, clusters, header, blobs(marks)), name)


def _message(n: int, clusters: int, header: dict[str, Any], blobs: list[bytes]) -> bytes:
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(PREAMBLE.size + len(text)) % 8)
    return b"".join([PREAMBLE.pack(MAGIC, n, clusters, len(text)), text, *blobs])


def _placed(sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sections with their offsets in a message of their own."""
    offset, placed = 0, []
    for one in sections:
        placed.append({**one, "offset": offset})
        offset += one["bytes"] + -one["bytes"] % 8
    return placed
