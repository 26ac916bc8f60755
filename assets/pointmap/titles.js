// Cluster titles: as many as fit without touching, the largest clusters first. Far away, where
// most find no place, coarse titles stand for several clusters each.

// Clear space around a title, and map area for each: a calm map shows few.
const GAP_X = 7;
const GAP_Y = 4;
const AREA = 21000;
const LARGE = 0.15;
const NORMAL = 0.55;
// In widths and heights of the title.
const SHIFTS = [
  [0, 0], [0, -0.7], [0, 0.7], [-0.35, 0], [0.35, 0],
  [-0.3, -0.7], [0.3, -0.7], [-0.3, 0.7], [0.3, 0.7],
];
// Coarse titles go at the first of these zooms at which this share of the fine ones find a place.
const CROSSINGS = [0.5, 0.7, 0.85, 1, 1.25, 1.6, 2, 2.5, 3.2];
const FARTHEST_FINE = 4;
const ENOUGH = 0.4;

export class Titles {
  constructor(box) {
    this.box = box;
    this.items = [];
    this.fine = [];
    this.coarse = [];
    this.zoomed = null;
  }

  set(fine, coarse) {
    const ranked = (titles) => [...titles].sort((a, b) => b.size - a.size);
    this.fine = ranked(fine).map((title, rank, { length }) => {
      const share = rank / length;
      const size = share < LARGE ? "large" : share < NORMAL ? "" : "small";
      const clusters = title.cluster < 0 ? [] : [title.cluster];
      return this.item({ ...title, clusters }, size);
    });
    this.coarse = ranked(coarse).map((title) => this.item(title, "coarse"));
    this.items = [...this.fine, ...this.coarse];
    this.box.replaceChildren(...this.items.map((item) => item.node));
    this.zoomed = this.level = this.marked = null;
    this.measured = false;
  }

  item(title, kind) {
    const node = document.createElement("div");
    node.className = `title ${kind}`;
    // A separator ends a line, it does not begin one.
    node.textContent = title.text.replaceAll(" · ", "\u00a0· ");
    return { ...title, node, width: 0, height: 0, shown: false, left: 0, top: 0 };
  }

  measure() {
    for (const item of this.items) {
      item.width = item.node.offsetWidth;
      item.height = item.node.offsetHeight;
    }
    this.measured = this.items.some((item) => item.width);
    this.sized = null;
  }

  /** Moves all titles with the view; chooses anew which are shown only when the scale changed. */
  place(camera) {
    const [left, top] = camera.toScreen(0, 0);
    this.left = left;
    this.top = top;
    this.box.style.transform = `translate(${left}px, ${top}px)`;
    if (this.zoomed === camera.scale && this.measured) return;
    if (!this.measured) this.measure();
    this.zoomed = camera.scale;
    const level = camera.zoom < this.crossing(camera) ? this.coarse : this.fine;
    if (level !== this.level) for (const item of this.items) this.show(item, null);
    this.level = level;
    // The whole map is in view: no title need be cut off. Further in, they go with their points.
    const room = camera.zoom <= 1 ? { from: GAP_X - left, to: camera.width - GAP_X - left } : null;
    const spots = arrange(level, camera.scale, budget(camera, camera.zoom), room);
    for (const [i, item] of level.entries()) this.show(item, spots[i]);
  }

  show(item, spot) {
    if (spot) {
      Object.assign(item, spot);
      item.node.style.transform = `translate(${item.left}px, ${item.top}px)`;
    }
    item.shown = Boolean(spot);
    item.node.classList.toggle("shown", item.shown);
  }

  /** The zoom from which on fine titles are shown: one for each size of the map, so none flickers. */
  crossing(camera) {
    if (!this.coarse.length) return 0;
    if (this.sized !== camera.home) {
      this.sized = camera.home;
      const fits = (zoom) => {
        const spots = arrange(this.fine, camera.home * zoom, budget(camera, zoom), null);
        return spots.filter(Boolean).length >= ENOUGH * this.fine.length;
      };
      this.crosses = CROSSINGS.find(fits) ?? FARTHEST_FINE;
    }
    return this.crosses;
  }

  /** The shown title under a screen point. */
  hit(sx, sy) {
    const x = sx - this.left;
    const y = sy - this.top;
    return this.items.find(
      (item) =>
        item.shown &&
        x >= item.left &&
        x <= item.left + item.width &&
        y >= item.top &&
        y <= item.top + item.height,
    );
  }

  mark(title) {
    if (title === this.marked) return;
    this.marked?.node.classList.remove("under");
    title?.node.classList.add("under");
    this.marked = title;
  }
}

const budget = (camera, zoom) => Math.max(6, (camera.width * camera.height * zoom ** 2) / AREA);

/** A place for each title at a scale, at most `most`; null for those that would touch another. */
function arrange(items, scale, most, room) {
  const placed = [];
  return items.map((item) => {
    const spot = placed.length < most ? spotFor(item, scale, placed, room) : null;
    if (spot) placed.push({ ...spot, width: item.width, height: item.height });
    return spot;
  });
}

/** A free place on the anchor, or else close by. */
function spotFor(item, scale, placed, room) {
  for (const [aside, down] of SHIFTS) {
    const wanted = item.at[0] * scale + (aside - 0.5) * item.width;
    const left = room ? Math.max(room.from, Math.min(wanted, room.to - item.width)) : wanted;
    const top = -item.at[1] * scale + (down - 0.5) * item.height;
    const free = placed.every(
      (other) =>
        left > other.left + other.width + GAP_X ||
        left + item.width + GAP_X < other.left ||
        top > other.top + other.height + GAP_Y ||
        top + item.height + GAP_Y < other.top,
    );
    if (free) return { left: Math.round(left), top: Math.round(top) };
  }
  return null;
}
