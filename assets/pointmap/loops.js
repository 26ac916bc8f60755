// Loops around rows: the one being drawn, and those that the server has not answered yet.

import { clamp } from "./camera.js";
import { thin } from "./polygon.js";

const MAX_VERTICES = 256;
const SMALL = 3; // pixels: what is drawn within them is no loop

export class Loops {
  constructor(camera) {
    Object.assign(this, { camera, outlines: [], drawing: null });
  }

  /** Closes a path on the screen: its corners on the map; null if it has no area. */
  close(path, op) {
    this.drawing = null;
    const [xs, ys] = [0, 1].map((axis) => path.map((at) => at[axis]));
    const extent = (values) => Math.max(...values) - Math.min(...values);
    if (path.length < 3 || Math.min(extent(xs), extent(ys)) < SMALL) return null;
    const loop = thin(path, MAX_VERTICES).map(([x, y]) => this.camera.toMap(x, y));
    if (op === "replace") this.outlines = [];
    this.outlines.push({ path: loop, op });
    return loop.length < 3 ? null : loop;
  }
}

/** Map coordinates of the server, rounded well below what 16 bits tell apart. */
export function toLayout([x, y], [left, bottom, span]) {
  const digits = clamp(Math.ceil(6 - Math.log10(span)), 0, 12);
  return [left + x * span, bottom + y * span].map((value) => Number(value.toFixed(digits)));
}
