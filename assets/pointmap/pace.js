// When the map is drawn, and how many of its points while it moves: on a slow machine a part.

const REST = 140; // ms without motion after which all points are drawn
// How many are drawn is found out from the time between frames, between these.
const FEW = 8_000;
const MANY = 150_000;
const SLOW = 45; // ms a frame
const FAST = 24;

export class Pace {
  constructor(draw) {
    this.draw = draw;
    this.moving = false;
    this.total = 0;
  }

  /** There are n points from now on. */
  begin(n) {
    this.total = n;
    this.budget = Math.min(n, MANY);
  }

  /** How many points to draw now. */
  get count() {
    return this.moving ? Math.min(Math.round(this.budget), this.total) : this.total;
  }

  /** Draws in the next frame. */
  soon() {
    if (this.waiting || this.disposed) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.swung) this.step();
      else this.draw();
      this.swung = false;
    });
  }

  /** Draws a motion in the next frame. */
  swing() {
    this.swung = true;
    this.soon();
  }

  /** Draws a frame of a motion, and the whole once it has come to rest. */
  step() {
    const now = performance.now();
    const gap = now - (this.stepped ?? 0);
    this.stepped = now;
    if (this.moving && gap > SLOW) this.budget = Math.max(this.budget * 0.6, FEW);
    else if (this.moving && gap < FAST) this.budget = Math.min(this.budget * 1.2, this.total);
    this.moving = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.moving = false;
      this.soon();
    }, REST);
    this.draw();
  }

  /** Draws all points at once. */
  whole() {
    this.moving = false;
    this.draw();
  }

  dispose() {
    this.disposed = true;
    cancelAnimationFrame(this.waiting);
    clearTimeout(this.resting);
  }
}
