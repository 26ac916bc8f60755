// The point nearest to a place on the map, by a grid that is built when it is first asked for.

const CELLS = 256;

export class Nearest {
  /** xy: Uint16Array of 2n coordinates. */
  constructor(xy) {
    this.xy = xy;
    const n = xy.length / 2;
    this.start = new Uint32Array(CELLS * CELLS + 1);
    this.order = new Uint32Array(n);
    const cells = new Uint16Array(n);
    for (let i = 0; i < n; i++) {
      cells[i] = (xy[2 * i + 1] >> 8) * CELLS + (xy[2 * i] >> 8);
      this.start[cells[i] + 1] += 1;
    }
    for (let c = 0; c < CELLS * CELLS; c++) this.start[c + 1] += this.start[c];
    const next = this.start.slice();
    for (let i = 0; i < n; i++) this.order[next[cells[i]]++] = i;
  }

  /** Index of the nearest point within `reach` (both in the unit square), -1 if there is none. */
  find(x, y, reach) {
    const px = x * 65535;
    const py = y * 65535;
    const far = reach * 65535;
    const clip = (value) => Math.min(Math.max(value >> 8, 0), CELLS - 1);
    let best = -1;
    let closest = far * far;
    for (let row = clip(py - far); row <= clip(py + far); row++) {
      const from = this.start[row * CELLS + clip(px - far)];
      const to = this.start[row * CELLS + clip(px + far) + 1];
      for (let k = from; k < to; k++) {
        const i = this.order[k];
        const dx = this.xy[2 * i] - px;
        const dy = this.xy[2 * i + 1] - py;
        const away = dx * dx + dy * dy;
        if (away <= closest) {
          closest = away;
          best = i;
        }
      }
    }
    return best;
  }
}
