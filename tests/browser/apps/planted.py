"""A made-up map: islands, some in one crowd, and a few rows far out."""

import functools

import numpy as np

from core.mapplaces import display_points

WORDS = """total cost speed garden recipe python return files directory history war football league
disease cancer blood weather travel hotel booking poem story sentence verb query table select model
learning customer music film energy climate law court logic proof angle""".split()  # noqa: SIM905


@functools.cache
def world(n, k):
    rng = np.random.default_rng(7)
    centers = rng.normal(size=(k, 2)) * [7, 5]
    centers[: k // 2] = centers[: k // 2] * 0.35 + [3, -1]
    share = rng.dirichlet(np.full(k, 1.5))
    labels = rng.choice(k, n, p=share)
    spread = rng.uniform(0.15, 0.7, (k, 2))
    turn = rng.uniform(0, np.pi, k)
    noise = rng.standard_t(5, (n, 2)) * spread[labels]
    cos, sin = np.cos(turn)[labels], np.sin(turn)[labels]
    points = centers[labels] + np.stack(
        [noise[:, 0] * cos - noise[:, 1] * sin, noise[:, 0] * sin + noise[:, 1] * cos], 1
    )
    points[: n // 400] += rng.normal(size=(n // 400, 2)) * 25
    names = [" · ".join(rng.choice(WORDS, 3, replace=False)) for _ in range(k)]
    return display_points(points), labels, names
