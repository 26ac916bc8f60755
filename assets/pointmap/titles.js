// Cluster titles: as many as fit without touching, the largest clusters first.

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

export class Titles {
  constructor(box) {
    this.box = box;
    this.items = [];
    this.zoomed = null;
  }

  set(titles) {
    const ranked = [...titles].sort((a, b) => b.size - a.size);
    this.items = ranked.map((title, rank) => {
      const node = document.createElement("div");
      const share = rank / ranked.length;
      const size = share < LARGE ? "large" : share < NORMAL ? "" : "small";
      node.className = `title ${size}`;
      // A separator ends a line, it does not begin one.
      node.textContent = title.text.replaceAll(" · ", "\u00a0· ");
      return { ...title, node, width: 0, height: 0, shown: false, left: 0, top: 0 };
    });
    this.box.replaceChildren(...this.items.map((item) => item.node));
    this.zoomed = null;
    this.measured = false;
  }

  measure() {
    for (const item of this.items) {
      item.width = item.node.offsetWidth;
      item.height = item.node.offsetHeight;
    }
    this.measured = this.items.some((item) => item.width);
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
    const budget = Math.max(6, (camera.width * camera.height * camera.zoom ** 2) / AREA);
    // The whole map is in view: no title need be cut off. Further in, they go with their points.
    const room = camera.zoom <= 1 ? { from: GAP_X - left, to: camera.width - GAP_X - left } : null;
    const placed = [];
    for (const item of this.items) {
      const spot = placed.length < budget ? this.spot(item, camera.scale, placed, room) : null;
      if (spot) {
        placed.push(item);
        Object.assign(item, spot);
        item.node.style.transform = `translate(${item.left}px, ${item.top}px)`;
      }
      item.shown = Boolean(spot);
      item.node.classList.toggle("shown", item.shown);
    }
  }

  /** A free place on the anchor, or else close by. */
  spot(item, scale, placed, room) {
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
    for (const item of this.items) item.node.classList.toggle("under", item === title);
  }
}
