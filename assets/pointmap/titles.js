// Cluster titles: as many as fit without touching, the largest clusters first. Far away, where
// most find no place, coarse titles stand for several clusters each. None is cut off by the edge of
// the map, and none lies under the tools or the legend.

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
const CLEAR = 4; // pixels between a title and the edge, or what lies over the map
const NUDGE = 0.8; // of its own size, that a title moves so as to be seen whole

// What lies over the map beside its points.
const COVERS = [".toolbar", ".chip", ".legend", ".caption"];

/** The boxes of what lies over the map and is shown, in pixels of its corner. */
export const coversOf = (root) =>
  COVERS.map((name) => root.querySelector(name))
    .filter((node) => node.offsetWidth)
    .map(({ offsetLeft: left, offsetTop: top, offsetWidth, offsetHeight }) => ({
      left, top, right: left + offsetWidth, bottom: top + offsetHeight,
    }));

export class Titles {
  /** `covers()` returns the boxes of what lies over the map, in pixels of its corner. */
  constructor(box, covers) {
    this.box = box;
    this.covers = covers;
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

  get off() {
    return this.box.classList.contains("off");
  }

  /** Hides all titles, or shows them again. */
  hide(off) {
    this.mark(null);
    this.box.classList.toggle("off", off);
  }

  /** Something that lies over the map is another one. */
  uncover() {
    this.covered = null;
  }

  /** Moves all titles with the view; chooses anew which are shown only when the scale changed. */
  place(camera) {
    const [left, top] = camera.toScreen(0, 0);
    this.left = left;
    this.top = top;
    this.box.style.transform = `translate(${left}px, ${top}px)`;
    const { width, height, scale } = camera;
    if (!this.covered || this.width !== width || this.height !== height) {
      Object.assign(this, { covered: this.covers(), width, height, zoomed: null });
    }
    if (this.zoomed !== scale || !this.measured) {
      if (!this.measured) this.measure();
      this.zoomed = scale;
      const level = camera.zoom < this.crossing(camera) ? this.coarse : this.fine;
      if (level !== this.level) for (const item of this.items) this.show(item, null);
      this.level = level;
      // The whole map is in view: each title finds a place where it is seen whole.
      const room = camera.zoom <= 1 ? this : null;
      this.spots = arrange(level, scale, budget(camera, camera.zoom), room);
    }
    this.keepWhole(camera);
  }

  /** Shows the titles that are seen whole; of the others those that can be moved a little. */
  keepWhole(camera) {
    const taken = [];
    const put = (item, spot) => {
      this.show(item, spot);
      taken.push({ ...spot, width: item.width, height: item.height });
    };
    const cut = [];
    for (const [i, item] of this.level.entries()) {
      const spot = this.spots[i];
      if (spot && this.isWhole(item, spot)) put(item, spot);
      else if (spot) cut.push([item, spot]);
      else this.show(item, null);
    }
    for (const [item, spot] of cut) {
      const [x, y] = camera.toScreen(...item.at);
      const seen = x >= 0 && x <= this.width && y >= 0 && y <= this.height;
      const moved = seen ? this.moved(item, spot) : null;
      if (moved && isFree(item, moved, taken)) put(item, moved);
      else this.show(item, null);
    }
  }

  isWhole(item, spot) {
    const left = spot.left + this.left;
    const top = spot.top + this.top;
    const [right, bottom] = [left + item.width, top + item.height];
    return (
      left >= CLEAR && top >= CLEAR && right <= this.width - CLEAR && bottom <= this.height - CLEAR &&
      this.covered.every(
        (other) =>
          left >= other.right + CLEAR || right <= other.left - CLEAR ||
          top >= other.bottom + CLEAR || bottom <= other.top - CLEAR,
      )
    );
  }

  /** The nearest place where a title is seen whole; null if that is too far away. */
  moved(item, spot) {
    const { width, height } = item;
    const within = (value, size, room) => Math.max(CLEAR, Math.min(value, room - size - CLEAR));
    const x = within(spot.left + this.left, width, this.width);
    const y = within(spot.top + this.top, height, this.height);
    const beside = this.covered.flatMap((other) => [
      [x, other.bottom + CLEAR], [x, other.top - height - CLEAR],
      [other.right + CLEAR, y], [other.left - width - CLEAR, y],
    ]);
    let best = null;
    let least = NUDGE;
    for (const [sx, sy] of [[x, y], ...beside]) {
      const there = { left: Math.round(sx - this.left), top: Math.round(sy - this.top) };
      const aside = Math.abs(there.left - spot.left) / width;
      const down = Math.abs(there.top - spot.top) / (2 * height);
      if (Math.max(aside, down) < least && this.isWhole(item, there)) {
        best = there;
        least = Math.max(aside, down);
      }
    }
    return best;
  }

  show(item, spot) {
    if (spot && (!item.shown || spot.left !== item.left || spot.top !== item.top)) {
      Object.assign(item, { left: spot.left, top: spot.top });
      item.node.style.transform = `translate(${item.left}px, ${item.top}px)`;
    }
    if (item.shown === Boolean(spot)) return;
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
    if (this.off) return undefined;
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

/** A free place on the anchor, or else close by; in the `room` of some titles, a whole one. */
function spotFor(item, scale, placed, room) {
  for (const [aside, down] of SHIFTS) {
    const wanted = {
      left: Math.round(item.at[0] * scale + (aside - 0.5) * item.width),
      top: Math.round(-item.at[1] * scale + (down - 0.5) * item.height),
    };
    const spot = room && !room.isWhole(item, wanted) ? room.moved(item, wanted) : wanted;
    if (spot && isFree(item, spot, placed)) return spot;
  }
  return null;
}

const isFree = ({ width, height }, { left, top }, placed) =>
  placed.every(
    (other) =>
      left > other.left + other.width + GAP_X ||
      left + width + GAP_X < other.left ||
      top > other.top + other.height + GAP_Y ||
      top + height + GAP_Y < other.top,
  );
