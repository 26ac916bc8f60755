"""What the tests of the map component share: its app, loops to draw, points to aim at."""

import io
from pathlib import Path

import numpy as np
from apps import planted
from driver import MapOnPage
from PIL import Image

MAP_APP = Path(__file__).parent / "apps" / "map_app.py"
N = 3000
NO_WEBGL = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : original.call(this, kind, ...rest);
};
"""
ALL = [(0.01, 0.058), (0.99, 0.058), (0.99, 0.99), (0.01, 0.99), (0.01, 0.058)]
LEFT = [(0.01, 0.058), (0.5, 0.058), (0.5, 0.99), (0.01, 0.99), (0.01, 0.058)]
SHADOW = 'document.querySelector("[data-testid=stBidiComponentIsolated]").shadowRoot'


def pixels(chart: MapOnPage) -> np.ndarray:
    """The map without its toolbar, as integers of shape (height, width, 3)."""
    picture = Image.open(io.BytesIO(chart.stage.screenshot())).convert("RGB")
    return np.array(picture)[60:].astype(int)


def isolated_point(chart: MapOnPage) -> tuple[tuple[float, float], int]:
    """Screen place of a row's point with no other near, found from the data, not the picture."""
    points = planted.world(N, 12)[0]
    box = chart.stage.bounding_box()
    low, span = points.min(0), np.ptp(points, axis=0).max()
    x, y, _ = chart.view()
    unit = (points - low) / span
    extent = np.ptp(points, axis=0) / span
    scale = min((box["width"] - 96) / extent[0], (box["height"] - 94) / extent[1])
    screen = np.stack(
        [(unit[:, 0] - x) * scale + box["width"] / 2, (y - unit[:, 1]) * scale + box["height"] / 2],
        1,
    )
    inside = ((screen > [20, 70]) & (screen < [box["width"] - 20, box["height"] - 60])).all(1)
    for row in np.flatnonzero(inside):
        away = np.linalg.norm(screen - screen[row], axis=1)
        away[row] = np.inf
        if away.min() > 30 and not chart.root.evaluate(_TITLE_AT, screen[row].tolist()):
            return (box["x"] + float(screen[row, 0]), box["y"] + float(screen[row, 1])), int(row)
    raise AssertionError("no isolated point")


_TITLE_AT = """(root, [x, y]) => {
  const box = root.getBoundingClientRect();
  return [...root.querySelectorAll(".title.shown")].some((title) => {
    const r = title.getBoundingClientRect();
    const [px, py] = [x + box.left, y + box.top];
    return px > r.left - 9 && px < r.right + 9 && py > r.top - 9 && py < r.bottom + 9;
  });
}"""
