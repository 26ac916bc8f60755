// A range brush on the scale of a numeric legend. Levels are 1 to 255, as in core/coloring.py.

import { clamp } from "./camera.js";

const LEVELS = 255;
const NEAR = 8; // how near, in pixels, a press must be to a handle
const TAP = 3; // a press that moves less clears
const KEYS_REST = 450; // ms after the last key before the range is sent
const STEPS = {
  ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -16, PageUp: 16,
  Home: -LEVELS, End: LEVELS,
};

/** The value in the middle of a level; the ends of the scale are levels 1 and 255. */
export function valueOf(level, { low, high, logarithmic }) {
  const share = (level - 1) / (LEVELS - 1);
  // No rounding error at the ends.
  if (share === 0 || share === 1) return share ? high : low;
  // Ends that are as far apart as numbers can be have neither difference nor ratio.
  if (logarithmic) return low ** (1 - share) * high ** share;
  return low * (1 - share) + high * share;
}

export class Brush {
  /**
   * `on` has: brush(levels, op), whenever they change, null for all; send(levels, op), once it
   * is let go; clear().
   */
  constructor(legend, gradient, words, on) {
    Object.assign(this, { legend, words, on, levels: null, from: null });
    this.node = document.createElement("div");
    this.node.className = "brush";
    this.node.title = "Drag to select a range. Shift adds, Alt takes away";
    this.ramp = document.createElement("div");
    this.ramp.className = "ramp";
    this.ramp.style.background = gradient;
    this.veils = ["left", "right"].map(() => document.createElement("div"));
    for (const veil of this.veils) veil.className = "veil";
    this.handles = ["Lowest", "Highest"].map((word, end) => this.handle(word, end));
    this.ramp.append(...this.veils);
    this.node.append(this.ramp, ...this.handles);
    this.node.onpointerdown = (event) => this.down(event);
    this.node.onpointermove = (event) => this.move(event);
    this.node.onpointerup = (event) => this.up(event);
    this.node.onpointercancel = () => this.escape();
    this.set(null);
  }

  handle(word, end) {
    const node = document.createElement("div");
    node.className = "handle";
    node.tabIndex = 0;
    node.setAttribute("role", "slider");
    node.setAttribute("aria-label", `${word} value to select, ${this.legend.label}`);
    node.setAttribute("aria-valuemin", this.rounded(this.legend.low));
    node.setAttribute("aria-valuemax", this.rounded(this.legend.high));
    node.onkeydown = (event) => this.key(event, end);
    node.onblur = () => this.flush();
    return node;
  }

  /** A number with the digits that the legend shows of it. */
  rounded(value) {
    return Number(this.words(value).replaceAll(",", ""));
  }

  /** Shows a range, [from, to] in levels; null is the whole scale. */
  set(levels) {
    this.levels = levels;
    const ends = levels ?? [1, LEVELS];
    const at = ends.map((level) => ((level - 1) / (LEVELS - 1)) * 100);
    this.node.classList.toggle("set", Boolean(levels));
    this.veils[0].style.width = `${at[0]}%`;
    this.veils[1].style.width = `${100 - at[1]}%`;
    for (const [end, node] of this.handles.entries()) {
      const value = valueOf(ends[end], this.legend);
      node.style.left = `${at[end]}%`;
      node.setAttribute("aria-valuenow", this.rounded(value));
      node.setAttribute("aria-valuetext", this.words(value));
    }
  }

  change(levels, op) {
    const whole = levels && levels[0] === 1 && levels[1] === LEVELS;
    this.set(whole ? null : levels);
    this.on.brush(this.levels, op);
  }

  finish(op) {
    if (this.levels) this.on.send(this.levels, op);
    else this.on.clear();
  }

  dispose() {
    clearTimeout(this.timer);
    this.timer = 0;
  }

  // ---- pointer ---------------------------------------------------------------------------

  level(event) {
    const { left, width } = this.ramp.getBoundingClientRect();
    return Math.round(1 + clamp((event.clientX - left) / width, 0, 1) * (LEVELS - 1));
  }

  down(event) {
    if (event.button) return;
    event.preventDefault();
    this.node.setPointerCapture(event.pointerId);
    const { left, width } = this.ramp.getBoundingClientRect();
    const away = (level) => Math.abs(event.clientX - left - (width * (level - 1)) / (LEVELS - 1));
    const [from, to] = this.levels ?? [1, LEVELS];
    const op = event.shiftKey ? "add" : event.altKey ? "subtract" : "replace";
    // Near a handle it is that one which moves: the other end stays.
    let anchor = this.level(event);
    const [low, high] = [away(from), away(to)];
    if (op === "replace" && Math.min(low, high) < NEAR) anchor = low < high ? to : from;
    this.handles[low < high ? 0 : 1].focus({ preventScroll: true });
    this.from = { anchor, op, x: event.clientX, before: this.levels, moved: false };
  }

  move(event) {
    const { from } = this;
    if (!from || (!from.moved && Math.abs(event.clientX - from.x) < TAP)) return;
    from.moved = true;
    const level = this.level(event);
    this.change([Math.min(level, from.anchor), Math.max(level, from.anchor)], from.op);
  }

  up() {
    const { from } = this;
    this.from = null;
    if (!from) return;
    if (from.moved) this.finish(from.op);
    else if (this.levels) {
      this.change(null, "replace");
      this.on.clear();
    }
  }

  /** Back to how it was before the drag. */
  escape() {
    const { from } = this;
    this.from = null;
    if (from?.moved) this.change(from.before, "replace");
    return Boolean(from);
  }

  // ---- keyboard --------------------------------------------------------------------------

  key(event, end) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (!this.escape() && this.levels) {
        clearTimeout(this.timer);
        this.timer = 0;
        this.change(null, "replace");
        this.on.clear();
      }
    } else if (event.key === "Enter") this.flush();
    else if (event.key in STEPS) {
      const levels = [...(this.levels ?? [1, LEVELS])];
      const [low, high] = end ? [levels[0], LEVELS] : [1, levels[1]];
      levels[end] = clamp(levels[end] + STEPS[event.key], low, high);
      this.change(levels, "replace");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.flush(), KEYS_REST);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  flush() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.finish("replace");
  }
}
