// When the map is drawn, and how many of its points in a frame: on a slow machine a part.

const REST = 140; // ms without motion after which all points are drawn
// How many are drawn while it moves is found out from the time between frames, between these.
const FEW = 8_000;
const MANY = 150_000;
const SLOW = 45; // ms a frame
const FAST = 24;
const PART = 300; // ms that the points which follow the first ones may take at once

export class Pace {
  /**
   * `on` has: draw(from, to), draws points, from 0 on an empty canvas, else over those before;
   * fence(), returns what says whether all that was drawn is on the canvas by now; rest(), a
   * motion has come to its end.
   */
  constructor(on) {
    Object.assign(this, { on, moving: false, total: 0, drawn: 0 });
    this.rate = 0; // points a ms
  }

  /** There are n points from now on. */
  begin(n) {
    this.total = n;
    this.budget = Math.min(n, MANY);
  }

  /** Draws in the next frame. */
  soon() {
    if (this.waiting || this.disposed) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.swung) this.step();
      else this.now();
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
      this.more();
      this.on.rest();
    }, REST);
    this.now();
  }

  /** Draws at once what a frame takes; at rest, the others follow. */
  now() {
    this.drawn = 0;
    this.more();
  }

  /** Draws the next points over those that are drawn. */
  more() {
    cancelAnimationFrame(this.following);
    if (this.disposed || (this.drawn && this.drawn === this.total)) return;
    const from = this.drawn;
    const part = Math.max(this.rate * (from ? PART : FAST), MANY);
    this.drawn = Math.min(from + Math.round(this.moving ? this.budget : part), this.total);
    this.on.draw(from, this.drawn);
    if (!this.moving) this.follow(this.drawn - from, this.on.fence());
  }

  /** Waits for n points to be on the canvas, that the next ones do not hold them up. */
  follow(n, done) {
    const begun = performance.now();
    const look = () => {
      if (!done()) {
        this.following = requestAnimationFrame(look);
        return;
      }
      const took = performance.now() - begun;
      this.rate = took < FAST ? Infinity : n / took; // by the next frame: nobody knows how fast
      this.more();
    };
    this.following = requestAnimationFrame(look);
  }

  /** Draws all points at once. */
  whole() {
    this.moving = false;
    cancelAnimationFrame(this.following);
    this.drawn = this.total;
    this.on.draw(0, this.total);
  }

  dispose() {
    this.disposed = true;
    cancelAnimationFrame(this.waiting);
    cancelAnimationFrame(this.following);
    clearTimeout(this.resting);
  }
}
