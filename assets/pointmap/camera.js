// Which part of the map is in sight. The map is the unit square, y up; a screen point is in
// CSS pixels from the top left corner.

// Half a title at the sides, the toolbar on top.
const MARGIN = { side: 48, top: 54, bottom: 40 };
// Coordinates have 16 bits: closer than this their steps would show.
const CLOSEST = 64;
const FARTHEST = 0.5;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Camera {
  constructor() {
    Object.assign(this, { x: 0.5, y: 0.5, scale: 1, width: 1, height: 1 });
    this.box = [0, 0, 1, 1];
    this.fitted = true;
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
    else this.scale = this.bounded(this.scale);
  }

  fit() {
    this.fitted = true;
    Object.assign(this, this.framing(this.box));
  }

  /** The view that holds a box [x0, y0, x1, y1] with margins in pixels. */
  framing([x0, y0, x1, y1], { side, top, bottom } = MARGIN) {
    const across = Math.max(this.width - 2 * side, 40) / Math.max(x1 - x0, 1e-4);
    const up = Math.max(this.height - top - bottom, 40) / Math.max(y1 - y0, 1e-4);
    const scale = Math.min(across, up);
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2 + (top - bottom) / 2 / scale, scale };
  }

  get home() {
    return this.framing(this.box).scale;
  }

  /** How much closer than the whole map. */
  get zoom() {
    return this.scale / this.home;
  }

  bounded(scale) {
    return Math.min(Math.max(scale, this.home * FARTHEST), this.home * CLOSEST);
  }

  toMap(sx, sy) {
    return [
      this.x + (sx - this.width / 2) / this.scale,
      this.y - (sy - this.height / 2) / this.scale,
    ];
  }

  toScreen(x, y) {
    return [
      (x - this.x) * this.scale + this.width / 2,
      (this.y - y) * this.scale + this.height / 2,
    ];
  }

  pan(dx, dy) {
    this.fitted = false;
    this.x = Math.min(Math.max(this.x - dx / this.scale, this.box[0]), this.box[2]);
    this.y = Math.min(Math.max(this.y + dy / this.scale, this.box[1]), this.box[3]);
  }

  /** Zooms by a factor about a screen point, which stays where it is. */
  zoomAt(factor, sx, sy) {
    const [x, y] = this.toMap(sx, sy);
    const scale = this.bounded(this.scale * factor);
    const kept = this.scale / scale;
    this.fitted = false;
    this.x = x + (this.x - x) * kept;
    this.y = y + (this.y - y) * kept;
    this.scale = scale;
  }

  get view() {
    return { x: this.x, y: this.y, scale: this.scale, fitted: this.fitted };
  }

  set view(view) {
    Object.assign(this, view);
    if (view.fitted) this.fit();
  }
}
