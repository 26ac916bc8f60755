"""Colours for the map: categories that neighbours do not share, and a scale for numbers.

The twelve categorical colours were placed by a search that maximises the smallest pairwise
distance in OKLab (Ottosson 2020) over normal vision, protanopia, deuteranopia and tritanopia
(Machado, Oliveira, Fernandes 2009), on a white and on a near-black page at once: the n-th
colour keeps its hue from one theme to the other. Twelve shades of them serve what a legend lists
beyond. A map has more clusters than there are hues an eye can tell apart, so colours repeat, and
`assign` sees to it that what repeats is far away.
"""

from functools import cache
from itertools import combinations
from typing import Literal

import numpy as np

Theme = Literal["light", "dark"]
Vision = Literal["normal", "protanopia", "deuteranopia", "tritanopia"]

CATEGORICAL: dict[Theme, tuple[str, ...]] = {
    "light": (
        "#5958db", "#bd5300", "#008d53", "#e45372", "#02a49f", "#6922b7",
        "#a1960a", "#aa1c19", "#63b8e1", "#c369d5", "#8cc10c", "#872d67",
    ),
    "dark": (
        "#8890fd", "#f28242", "#43bf7c", "#fe93a3", "#4fd0ca", "#9a65eb",
        "#ccc043", "#e06053", "#99dcfe", "#ec97fc", "#b3e65c", "#bd669a",
    ),
}  # fmt: skip

# For what a legend lists beyond the twelve: the n-th is a lighter or darker n-th hue, found by the
# same search beside the others and the neutral one.
SHADES: dict[Theme, tuple[str, ...]] = {
    "light": (
        "#19193e", "#dca579", "#007a48", "#39151c", "#014b48", "#501a8c",
        "#333003", "#2a0706", "#1c3440", "#a257b1", "#405805", "#97497b",
    ),
    "dark": (
        "#6369b8", "#f8be9c", "#287149", "#6b3e45", "#348985", "#5b3c8b",
        "#f2efd0", "#f6d2ce", "#d1efff", "#84548d", "#6a8836", "#ca85ae",
    ),
}  # fmt: skip
ALL: dict[Theme, tuple[str, ...]] = {
    theme: (*CATEGORICAL[theme], *SHADES[theme]) for theme in ("light", "dark")
}

# A row that belongs to no category, or has no number.
NEUTRAL: dict[Theme, str] = {"light": "#b9bdc7", "dark": "#565c68"}

VISIONS: dict[Vision, np.ndarray] = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}

_LINEAR_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)

# The contact grid: fine enough to part two clusters that only touch, coarse enough that
# clusters of a few hundred rows meet their neighbours in it.
_CELLS = 96
_SWEEPS = 8


def to_rgb(colors: tuple[str, ...] | list[str]) -> np.ndarray:
    """Turn `#rrggbb` strings into an array of shape (n, 3), uint8."""
    joined = bytes.fromhex("".join(color.lstrip("#") for color in colors))
    return np.frombuffer(joined, np.uint8).reshape(-1, 3)


def to_oklab(rgb: np.ndarray, vision: Vision = "normal") -> np.ndarray:
    """Return OKLab coordinates of sRGB colours as `vision` sees them.

    Parameters
    ----------
    rgb : ndarray of shape (n, 3), uint8
    vision : Vision, default="normal"

    Returns
    -------
    ndarray of shape (n, 3), float64
        Lightness in [0, 1], then the green–red and blue–yellow axes.
    """
    value = np.asarray(rgb, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISIONS[vision].T, 0, 1)
    return np.cbrt(seen @ _LINEAR_TO_LMS.T) @ _LMS_TO_LAB.T


def separation(rgb: np.ndarray) -> np.ndarray:
    """Return the distance between colours for the eye that tells them apart worst.

    Parameters
    ----------
    rgb : ndarray of shape (n, 3), uint8

    Returns
    -------
    ndarray of shape (n, n), float64
        OKLab distance, the smallest over the four kinds of vision; about 0.02 is just
        noticeable on large patches.
    """
    smallest = np.full((len(rgb), len(rgb)), np.inf)
    for vision in VISIONS:
        lab = to_oklab(rgb, vision)
        smallest = np.minimum(smallest, np.linalg.norm(lab[:, None] - lab[None], axis=-1))
    return smallest


@cache
def least_alike(count: int) -> tuple[int, ...]:
    """The `count` of the twelve colours that differ most, where the two most alike are looked at.

    They differ by their `separation`, and by their hue, which is what people call a colour by:
    hues that are less than a radian apart in OKLab count by that share.
    """
    apart = np.minimum(_apart("light"), _apart("dark"))
    return max(
        combinations(range(len(apart)), count),
        key=lambda some: float((apart[np.ix_(some, some)] + np.diag([9.0] * count)).min()),
    )


def _apart(theme: Theme) -> np.ndarray:
    rgb = to_rgb(CATEGORICAL[theme])
    lab = to_oklab(rgb)
    hue = np.arctan2(lab[:, 2], lab[:, 1])
    turn = np.abs((hue[:, None] - hue + np.pi) % (2 * np.pi) - np.pi)
    return separation(rgb) * np.minimum(turn, 1)


def contact(points: np.ndarray, labels: np.ndarray, groups: int) -> np.ndarray:
    """Return how much every two groups touch on the map.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    labels : ndarray of shape (n,), int
        Group of each point; negative: none.
    groups : int

    Returns
    -------
    ndarray of shape (groups, groups), float64
        Symmetric, zero diagonal. The weight of a pair is the share of the smaller group that
        lies in cells (or beside cells) which the other occupies, plus a little for nearness
        of the centres, so that groups that do not touch still prefer another hue than the
        group across the gap.

    Notes
    -----
    O(n + groups² + occupied (cell, group) pairs × 9).
    """
    weights = np.zeros((groups, groups))
    known = np.flatnonzero(labels >= 0)
    if groups < 2 or not len(known):
        return weights
    xy = np.asarray(points, np.float64)[known]
    label = np.asarray(labels)[known].astype(np.int64)
    low, high = np.quantile(xy, [0.002, 0.998], axis=0)
    span = float((high - low).max()) or 1.0
    cell = np.clip((xy - low) / span * _CELLS, 0, _CELLS - 1).astype(np.int64)
    size = np.bincount(label, minlength=groups).astype(np.float64)

    # Group histogram on the grid, one row a cell.
    stride = _CELLS + 2  # a free cell at both ends, or opposite edges of the map would touch
    flat = (cell[:, 0] * stride + cell[:, 1] + 1) * groups + label
    occupied, count = np.unique(flat, return_counts=True)
    where, who = np.divmod(occupied, groups)
    starts = np.searchsorted(where, np.arange((_CELLS + 1) * stride + 1))
    beside = [dx * stride + dy for dx in (0, 1) for dy in (-1, 0, 1) if (dx, dy) >= (0, 0)]
    for step in beside:
        # Each (cell, group) with every group of the cell `step` further on.
        first = starts[where + step]
        there = starts[where + step + 1] - first
        one = np.repeat(np.arange(len(where)), there)
        other = np.arange(len(one)) + np.repeat(first - np.cumsum(there) + there, there)
        shared = np.minimum(count[one], count[other])
        pairs = np.bincount(who[one] * groups + who[other], shared, groups**2)
        weights += pairs.reshape(groups, groups)
    np.fill_diagonal(weights, 0)
    weights += weights.T
    weights /= np.maximum(np.minimum(size[:, None], size[None]), 1)

    present = size > 0
    total = [np.bincount(label, xy[:, axis], groups) for axis in (0, 1)]
    centre = np.stack(total, 1) / np.maximum(size, 1)[:, None]
    gap = np.linalg.norm(centre[:, None] - centre[None], axis=-1) / span
    weights += (0.03 / (gap + 0.03)) ** 2 * (present[:, None] & present[None])
    np.fill_diagonal(weights, 0)
    return weights


def assign(
    weights: np.ndarray,
    sizes: np.ndarray,
    *,
    distinct: int = 0,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """Choose a colour of `CATEGORICAL` for every group so that groups in contact differ most.

    Greedy over the groups, those with most contact first, then sweeps in which each group
    moves to its cheapest colour while that helps. The price of two colours that meet falls
    with the square of their `separation` in the theme that separates them less.

    Parameters
    ----------
    weights : ndarray of shape (g, g)
        Symmetric, from `contact`.
    sizes : ndarray of shape (g,)
        Rows of each group.
    distinct : int, default=0
        The largest `distinct` groups (at most twelve) get colours of their own, because a
        legend names them.
    given : ndarray of shape (g,), int, optional
        Colours that groups have already and keep; negative: none yet.

    Returns
    -------
    ndarray of shape (g,), int64
        Index into `CATEGORICAL`.

    Notes
    -----
    Cost O(g² × sweeps). No randomness.
    """
    apart = np.minimum(*(separation(to_rgb(CATEGORICAL[theme])) for theme in ("light", "dark")))
    colors = len(apart)
    # Two that are hard to tell apart are bad; two that are the same are of another kind.
    price = (0.05 / (apart + 0.05)) ** 2 + 2 * np.eye(len(apart))
    groups = len(sizes)
    by_size = np.argsort(-np.asarray(sizes), kind="stable")
    unused = np.zeros(colors, bool)
    if groups <= colors:
        distinct = groups
        if given is None and groups:  # else others may be in use already
            unused[:] = True
            unused[list(least_alike(groups))] = False
    named = by_size[: min(distinct, colors)]

    chosen = np.full(groups, -1, np.int64) if given is None else given.astype(np.int64)
    free = chosen < 0
    # A colour that is much used already costs a little more: the map stays varied.
    spread = float(weights.sum() / max(groups, 1)) * 0.01 + 1e-9

    def cheapest(group: int) -> int:
        placed = chosen >= 0
        cost = weights[group, placed] @ price[chosen[placed]]
        cost = cost + spread * np.bincount(chosen[placed], minlength=colors) * colors / groups
        cost[unused] = np.inf
        if group in taken:
            others = [int(chosen[other]) for other in named if other != group]
            cost[[color for color in others if color >= 0]] = np.inf
        return int(np.argmin(cost))

    taken = set(named.tolist())
    degree = np.argsort(-weights.sum(1), kind="stable")
    order = [*named.tolist(), *(int(group) for group in degree if int(group) not in taken)]
    order = [group for group in order if free[group]]
    for group in order:
        chosen[group] = cheapest(group)
    for _ in range(_SWEEPS):
        before = chosen.copy()
        for group in order:
            chosen[group] = -1
            chosen[group] = cheapest(group)
        if (chosen == before).all():
            break
    return chosen


def assign_all(weights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Choose a colour of `ALL` for every group, each its own; up to 24 groups.

    The twelve largest have the colours of `CATEGORICAL`, so that groups in contact differ most.

    Parameters
    ----------
    weights : ndarray of shape (g, g)
        Symmetric, from `contact`.
    sizes : ndarray of shape (g,)
        Rows of each group.

    Returns
    -------
    ndarray of shape (g,), int64
        Index into `ALL`.
    """
    hues = len(CATEGORICAL["light"])
    by_size = np.argsort(-np.asarray(sizes), kind="stable")
    large, others = np.sort(by_size[:hues]), by_size[hues:]
    chosen = np.empty(len(sizes), np.int64)
    chosen[large] = assign(weights[np.ix_(large, large)], np.asarray(sizes)[large])
    chosen[others] = hues + np.arange(len(others))
    return chosen


def scale(theme: Theme) -> np.ndarray:
    """Return 256 colours from low to high, shape (256, 3), uint8.

    In the order of viridis (violet, blue, green, yellow), with a lightness that only rises
    (dark) or falls (light), so that the order survives any colour blindness and 'more' is what
    stands out from the page.
    """
    t = np.linspace(0, 1, 256)
    if theme == "dark":
        lightness, hue = 0.44 + 0.48 * t, 292 - 190 * t
    else:
        lightness, hue = 0.87 - 0.53 * t, 102 + 190 * t
    chroma = np.full(256, 0.15)
    for _ in range(60):
        linear = _oklch_to_linear(lightness, chroma, hue)
        outside = ((linear < 0) | (linear > 1)).any(1)
        if not outside.any():
            break
        chroma[outside] *= 0.97
    linear = np.clip(_oklch_to_linear(lightness, chroma, hue), 0, 1)
    value = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(value * 255).astype(np.uint8)


def _oklch_to_linear(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    angle = np.radians(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], 1)
    return (lab @ np.linalg.inv(_LMS_TO_LAB).T) ** 3 @ np.linalg.inv(_LINEAR_TO_LMS).T
