// The map of rows: a Streamlit component (v2) that draws one message of core/mappack.py and
// answers each gesture with one state change, `gesture`.

import { valueOf } from "./brush.js";
import { Camera, clamp } from "./camera.js";
import { Gestures } from "./gestures.js";
import { FirstLines } from "./hover.js";
import { Ink } from "./ink.js";
import { Legend } from "./legend.js";
import { isBackdrop, readLook } from "./look.js";
import { Nearest } from "./nearest.js";
import { colors, numbers, onSections, readPayload } from "./payload.js";
import { download, picture } from "./picture.js";
import { thin } from "./polygon.js";
import { RasterPoints } from "./raster.js";
import { Titles } from "./titles.js";
import { WebglPoints } from "./webgl.js";

const MAX_VERTICES = 256;
const REACH = 8; // how near, in pixels, a click must be to a point
const TOOLS = ["pan", "lasso", "box"];
const GLIDE = 200; // ms
const REST = 140; // ms without motion after which all points are drawn
// While the view moves, a slow machine draws a part of the points: how many is found out from
// the time between frames, between these.
const FEW = 8_000;
const MANY = 150_000;
const SLOW = 45; // ms a frame
const FAST = 24;

const instances = new WeakMap();
// All maps on the page: those with the same link show the same part.
const shown = new Set();
// Views by coordinates, and the tool: a page that is left and opened again looks as before.
const views = new Map();
const remembered = { tool: "pan" };
// The last place that each map was sent to: a re-run must not go there again.
const visited = new Map();

class PointMap {
  constructor(root) {
    this.root = root;
    const part = (name) => root.querySelector(name);
    this.stage = part(".stage");
    this.tip = part(".tip");
    this.legend = new Legend(part(".legend"), {
      brush: (levels, op) => this.brush(levels, op),
      send: (levels, op) => this.brushed(levels, op),
      clear: () => (this.range?.sent ? this.clear() : this.unbrush()),
    });
    this.caption = part(".caption");
    this.notice = part(".notice");
    this.ink = new Ink(part(".ink"));
    this.camera = new Camera();
    this.titles = new Titles(part(".titles"));
    this.outlines = [];
    this.drawing = null;
    this.range = null;
    this.hovered = -1;
    this.lines = new FirstLines((row, text) => this.quote(row, text));
    this.frames = 0;
    this.uploads = 0;
    this.seq = Date.now();
    this.points = this.renderer(part(".points"));
    this.gestures = new Gestures(this.stage, {
      pan: (dx, dy) => this.moved(() => this.camera.pan(dx, dy)),
      zoom: (factor, x, y) => this.moved(() => this.camera.zoomAt(factor, x, y)),
      fit: () => this.glide(this.camera.framing(this.camera.box), true),
      draw: (path, kind, op) => this.draw(path, kind, op),
      drawn: (path, kind, op) => this.drawn(path, kind, op),
      click: (x, y) => this.click(x, y),
      hover: (x, y) => this.hover(x, y),
      leave: () => this.unhover(),
      tool: (name) => this.choose(name),
      full: () => this.fullscreen(),
      escape: () => this.isFull && this.fullscreen(),
      clear: () => this.clear(),
    });
    root.querySelector('[data-act="full"]').hidden = !document.fullscreenEnabled;
    root.addEventListener("fullscreenchange", () => {
      this.unhover();
      this.onWindow();
      root.querySelector('[data-act="full"]').setAttribute("aria-pressed", String(this.isFull));
    });
    for (const button of root.querySelectorAll("button")) {
      button.onclick = () => this.press(button.dataset);
    }
    this.choose(remembered.tool);
    // A resized canvas is empty until it is drawn: at once, not a frame later.
    this.resizer = new ResizeObserver(() => this.resize() && this.render());
    this.resizer.observe(root);
    // Also when only the pixel density changed: the window went to another screen.
    this.onWindow = () => {
      this.stretch();
      if (this.resize()) this.render();
    };
    window.addEventListener("resize", this.onWindow);
    shown.add(this);
  }

  renderer(canvas) {
    let points;
    try {
      points = new WebglPoints(canvas);
      canvas.addEventListener("webglcontextlost", (event) => {
        event.preventDefault();
        this.root.dataset.context = "lost";
      });
      canvas.addEventListener("webglcontextrestored", () => {
        if (this.disposed) return;
        this.points.build();
        this.root.dataset.context = "restored";
        this.upload();
        this.redraw();
      });
    } catch {
      // A canvas that was asked for WebGL gives no other context.
      const fresh = canvas.cloneNode();
      canvas.replaceWith(fresh);
      points = new RasterPoints(fresh);
    }
    this.root.dataset.renderer = points.name;
    return points;
  }

  // ---- what the server sends -------------------------------------------------------------

  update(component) {
    const { data, setStateValue } = component;
    this.send = (gesture) => setStateValue("gesture", { seq: ++this.seq, ...gesture });
    this.unwait?.();
    const payload = readPayload(data, this);
    this.notice.hidden = Boolean(payload);
    if (!payload) {
      this.notice.textContent = "The map could not be read. Reload the page.";
      return;
    }
    if (!payload.complete) {
      this.unwait = onSections(() => this.disposed || this.update(component));
      return;
    }
    const { header, sections } = payload;
    this.count = header.n;
    const moved = this.read("xy", sections.xy);
    const remarked = this.read("flags", sections.flags) && !moved;
    const recolored = this.read("group", sections.group);
    this.read("targets", sections.targets);
    this.header = header;
    this.root.querySelector(".tools").hidden = !header.selects;
    this.choose(remembered.tool);
    this.theme();
    this.upload();
    this.stretch();
    this.resize();
    if (moved) {
      this.nearest = null;
      this.outlines = [];
      this.lines.forget();
      this.budget = Math.min(header.n, MANY);
      this.camera.box = [0, 0, ...header.extent];
      this.camera.fit();
      this.camera.view = views.get(this.xy.id) ?? this.camera.view;
    }
    // The server answered a lasso by marking rows: they show it better than the outline does.
    if (remarked) this.outlines = [];
    if (remarked) this.settle(header);
    if (moved || recolored) this.unbrush();
    this.lines.map = header.lines ? header.name : null;
    const titles = JSON.stringify(header.titles);
    if (titles !== this.titled) {
      this.titled = titles;
      this.titles.set(header.titles);
    }
    this.titles.box.classList.toggle("quiet", isBackdrop(header.context));
    this.root.querySelector(".points").setAttribute("aria-label", header.alt);
    this.stage.setAttribute(
      "aria-label",
      `${header.alt} Arrow keys move the map, plus and minus zoom, F shows all, ` +
        "M fills the screen. " +
        (header.selects ? "L draws a lasso, B a box, Escape clears." : ""),
    );
    if (this.caption.textContent !== header.caption) this.caption.textContent = header.caption;
    this.legend.show(header, this.look, this.palette, this.targets.array.length / 2);
    if (!this.legend.brush) this.range = null;
    this.root.dataset.points = header.n;
    this.redraw();
  }

  /** Goes to the place that the page names, once. */
  visit({ name, focus }) {
    if (!focus || visited.get(name) === focus.id) return;
    visited.set(name, focus.id);
    this.goTo(focus.box);
  }

  /** Keeps a section; true if its content is new. */
  read(name, section) {
    if (this[name]?.id === section.id) return false;
    this[name] = { id: section.id, array: numbers(section, this.count) };
    return true;
  }

  theme() {
    const { look, dark } = readLook(this.root);
    this.look = look;
    const hex = dark ? this.header.dark : this.header.light;
    if (this.palette?.id !== hex) this.palette = { id: hex, array: colors(hex) };
  }

  upload() {
    const { xy, group, flags, palette } = this;
    this.uploads += this.points.upload({ xy, group, flags, palette });
    this.root.dataset.uploads = this.uploads;
  }

  // ---- size and drawing ------------------------------------------------------------------

  /** With `data-fill`, the map reaches down to the bottom of the window. */
  stretch() {
    if (!("fill" in this.root.dataset) || this.isFull) return;
    const host = this.root.getRootNode().host ?? this.root;
    const page = host.closest('[data-testid="stMain"]');
    const block = host.closest('[data-testid="stMainBlockContainer"]');
    const below = block ? parseFloat(getComputedStyle(block).paddingBottom) : 16;
    const top = this.root.getBoundingClientRect().top + (page?.scrollTop ?? 0);
    const height = Math.max(Math.floor(window.innerHeight - top - Math.min(below, 48)), 420);
    this.root.style.setProperty("--map-height", `${height}px`);
  }

  /** Fits the canvases to the element; true if that emptied them. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.root;
    // More than two device pixels a CSS pixel costs four times the work and is not seen.
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    const { canvas } = this.points;
    if (!across || !down || (canvas.width === across && canvas.height === down)) return false;
    canvas.width = this.ink.canvas.width = across;
    canvas.height = this.ink.canvas.height = down;
    this.camera.resize(width, height);
    return true;
  }

  redraw() {
    if (this.waiting || this.disposed) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.swung) this.animate();
      else this.render();
      this.swung = false;
    });
  }

  /** Draws a frame of a motion, and the whole once it has come to rest. */
  animate() {
    const now = performance.now();
    const gap = now - (this.stepped ?? 0);
    this.stepped = now;
    if (this.moving && gap > SLOW) this.budget = Math.max(this.budget * 0.6, FEW);
    else if (this.moving && gap < FAST) this.budget = Math.min(this.budget * 1.2, this.header.n);
    this.moving = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.moving = false;
      this.redraw();
    }, REST);
    this.render();
  }

  render() {
    const { camera, header } = this;
    if (!header || camera.width <= 1 || this.disposed) return;
    const brushing = this.range && !this.range.settled;
    this.points.draw(camera, {
      ...this.look,
      ...this.dots(),
      // Of a range that replaces the selection, the selection hides nothing.
      context: brushing && this.range.op === "replace" ? null : header.context,
      range: brushing ? this.range.levels : null,
      count: this.moving ? Math.min(Math.round(this.budget), header.n) : header.n,
    });
    this.titles.place(camera);
    this.annotate();
    this.visit(header);
    this.frames += 1;
    const { root } = this;
    root.dataset.frames = this.frames;
    root.dataset.view = [camera.x, camera.y, camera.zoom].map((v) => v.toFixed(5)).join(" ");
  }

  /** How large (CSS pixels) and how opaque points are, by their number and the zoom. */
  dots() {
    const { camera, header } = this;
    const area = Math.sqrt((camera.width * camera.height) / 8e5);
    const grown = Math.max(camera.zoom, 0.5) ** 0.38 * clamp(area, 0.75, 1.25);
    const dot = (n) => 1.75 * (1e5 / Math.max(n, 1)) ** 0.23;
    const size = clamp(clamp(dot(header.n), 1.2, 5) * grown, 1, 10);
    // A few chosen rows must be found at a glance; a selected region is seen anyway.
    const largest = header.context === "dim" ? 3 : 6;
    const litSize = clamp(clamp(dot(header.lit), 2, largest) * grown, size * 1.2, 13);
    // As a backdrop, points are thinner: where they lie close is what should show.
    const alone = clamp(0.72 + 0.1 * Math.log10(1e5 / header.n), 0.6, 0.95);
    const thick = isBackdrop(header.context) ? 0.6 * alone : alone;
    return { size, litSize, alpha: clamp(thick + 0.1 * Math.log2(camera.zoom), thick, 1) };
  }

  /** Everything over the points: targets, outlines, the loop being drawn, the hovered point. */
  annotate() {
    const { array: xy } = this.xy;
    const at = this.hovered;
    this.ink.draw(this.camera, this.look, {
      targets: this.targets.array,
      outlines: this.outlines,
      drawing: this.drawing,
      ring: at < 0 ? null : [xy[2 * at] / 65535, xy[2 * at + 1] / 65535],
    });
  }

  // ---- the view --------------------------------------------------------------------------

  moved(change) {
    if (!this.header) return;
    cancelAnimationFrame(this.gliding);
    this.unhover();
    change();
    this.keepView();
    this.lead();
    this.swung = true;
    this.redraw();
  }

  /** Moves the maps that are linked with this one; the server hears nothing of it. */
  lead() {
    const { link } = this.header;
    if (!link) return;
    for (const map of shown) {
      if (map !== this && map.header?.link === link) map.follow(this.camera);
    }
  }

  follow({ x, y, zoom, fitted }) {
    cancelAnimationFrame(this.gliding);
    this.unhover();
    this.camera.view = { x, y, scale: this.camera.home * zoom, fitted };
    this.keepView();
    this.swung = true;
    this.redraw();
  }

  keepView() {
    views.delete(this.xy.id);
    views.set(this.xy.id, this.camera.view);
    // Enough for the maps of one sitting.
    if (views.size > 16) views.delete(views.keys().next().value);
  }

  /** Moves to a view in a fifth of a second; at once for those who asked for less motion. */
  glide(goal, fitted = false) {
    cancelAnimationFrame(this.gliding);
    const { camera } = this;
    if (!this.header) return;
    const from = camera.view;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const begun = performance.now();
    const step = () => {
      const t = still ? 1 : clamp((performance.now() - begun) / GLIDE, 0, 1);
      const eased = t * (2 - t);
      const scale = from.scale * (goal.scale / from.scale) ** eased;
      // The centre moves so that the point between the two views that stays put, stays put.
      const share =
        goal.scale === from.scale
          ? eased
          : (1 / from.scale - 1 / scale) / (1 / from.scale - 1 / goal.scale);
      camera.x = from.x + (goal.x - from.x) * share;
      camera.y = from.y + (goal.y - from.y) * share;
      camera.scale = scale;
      camera.fitted = t === 1 && fitted;
      this.lead();
      this.animate();
      if (t < 1) this.gliding = requestAnimationFrame(step);
      else this.keepView();
    };
    step();
  }

  /** Glides to a box [x0, y0, x1, y1] of the unit square, with room around it. */
  goTo(box) {
    const goal = this.camera.framing(box, { side: 120, top: 120, bottom: 120 });
    this.glide({ ...goal, scale: this.camera.bounded(goal.scale) });
  }

  zoomBy(factor) {
    const { x, y, scale } = this.camera;
    this.glide({ x, y, scale: this.camera.bounded(scale * factor) });
  }

  // ---- gestures --------------------------------------------------------------------------

  press({ tool, act }) {
    if (tool) this.choose(tool);
    if (act === "in") this.zoomBy(1.6);
    if (act === "out") this.zoomBy(1 / 1.6);
    if (act === "fit") this.glide(this.camera.framing(this.camera.box), true);
    if (act === "full") this.fullscreen();
    if (act === "save") this.save();
  }

  get isFull() {
    return this.root.getRootNode().fullscreenElement === this.root;
  }

  /** Enters or leaves full screen; true, as a key that was used. */
  fullscreen() {
    // Refused without a person's gesture, or by the page that this one is framed in.
    const done = this.isFull ? document.exitFullscreen() : this.root.requestFullscreen?.();
    done?.catch(() => {});
    return true;
  }

  /** Downloads what is seen, all points and not the pointer's tip. */
  save() {
    const { root, header } = this;
    if (!header) return;
    this.unhover();
    this.moving = false;
    this.render();
    const part = (name) => root.querySelector(name);
    const layers = [this.points.canvas, part(".titles"), part(".ink"), part(".legend"), this.caption];
    download(picture(root, layers, this.legend.stops), header.file || header.caption);
  }

  choose(wanted) {
    const selects = this.header?.selects ?? true;
    const tool = selects ? wanted : "pan";
    if (selects) remembered.tool = tool;
    this.gestures.tool = tool;
    this.gestures.cursor();
    for (const name of TOOLS) {
      const button = this.root.querySelector(`[data-tool="${name}"]`);
      button.setAttribute("aria-pressed", String(name === tool));
    }
  }

  draw(path, kind, op) {
    if (!path && !this.drawing) return;
    this.drawing = path ? { path, op } : null;
    this.sketching ||= requestAnimationFrame(() => {
      this.sketching = 0;
      this.annotate();
    });
  }

  drawn(path, kind, op) {
    this.drawing = null;
    const [xs, ys] = [0, 1].map((axis) => path.map((at) => at[axis]));
    const extent = (values) => Math.max(...values) - Math.min(...values);
    if (path.length < 3 || Math.min(extent(xs), extent(ys)) < 3) {
      this.annotate();
      return;
    }
    const loop = thin(path, MAX_VERTICES).map(([x, y]) => this.camera.toMap(x, y));
    if (op === "replace") this.outlines = [];
    this.unbrush();
    this.outlines.push({ path: loop, op });
    this.annotate();
    if (loop.length >= 3) this.send({ kind, op, polygon: loop.map((at) => this.toLayout(at)) });
  }

  /** Map coordinates of the server, rounded well below what 16 bits tell apart. */
  toLayout([x, y]) {
    const [left, bottom, span] = this.header.frame;
    const digits = clamp(Math.ceil(6 - Math.log10(span)), 0, 12);
    return [left + x * span, bottom + y * span].map((value) => Number(value.toFixed(digits)));
  }

  clear() {
    const sent = this.outlines.length || this.range?.sent || this.header?.context === "dim";
    this.outlines = [];
    this.unbrush();
    this.annotate();
    if (sent) this.send({ kind: "clear" });
  }

  /** Greys what is outside a range of the scale; nothing is sent. */
  brush(levels, op) {
    const sent = this.range?.sent ?? false;
    this.range = levels || sent ? { levels, op, sent, settled: false } : null;
    this.redraw();
  }

  brushed(levels, op) {
    const [low, high] = levels.map((level) => valueOf(level, this.header.legend));
    if (op === "replace") this.outlines = [];
    this.annotate();
    Object.assign(this.range, { sent: true, waits: true });
    this.send({ kind: "range", op, low, high });
  }

  unbrush() {
    if (this.range) this.redraw();
    this.range = null;
    this.legend.range(null);
  }

  /** The server has marked rows: those of the range, or others, to which it says nothing. */
  settle({ context }) {
    const { range } = this;
    if (!range) return;
    if (range.waits && range.op === "replace" && context === "dim") {
      Object.assign(range, { waits: false, settled: true });
    } else this.unbrush();
  }

  at(x, y) {
    this.nearest ??= new Nearest(this.xy.array);
    return this.nearest.find(...this.camera.toMap(x, y), REACH / this.camera.scale);
  }

  click(x, y) {
    const title = this.titles.hit(x, y);
    if (title && title.cluster >= 0) {
      if (title.box) this.goTo(title.box);
      this.unbrush();
      this.send({ kind: "cluster", cluster: title.cluster });
      return;
    }
    const index = this.at(x, y);
    if (index >= 0) this.send({ kind: "row", row: this.row(index) });
  }

  /** Row of the n-th point; the order of travel is a stride over the rows. */
  row(index) {
    return (index * this.header.stride) % this.header.n;
  }

  hover(x, y) {
    this.pointer = [x, y];
    const title = this.titles.hit(x, y);
    const index = title ? -1 : this.at(x, y);
    this.titles.mark(title?.cluster >= 0 ? title : null);
    this.gestures.cursor(title?.cluster >= 0 || index >= 0);
    if (index !== this.hovered) {
      this.hovered = index;
      this.annotate();
      this.tip.hidden = index < 0;
      if (index >= 0) this.tell(index);
      else this.lines.want(null);
    }
    if (index >= 0) this.seat();
  }

  /** Puts the tip beside the pointer, where it is in sight. */
  seat() {
    const [x, y] = this.pointer;
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = x + 14 + width > this.camera.width ? Math.max(x - 14 - width, 4) : x + 14;
    const top = clamp(y - 6 - height, 4, Math.max(this.camera.height - height - 4, 4));
    this.tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  tell(index) {
    const number = document.createElement("span");
    number.textContent = `row ${this.row(index).toLocaleString("en")}`;
    const name = this.header.names[this.group.array[index]];
    this.tip.querySelector(".what").replaceChildren(...(name ? [`${name} · `] : []), number);
    this.tip.querySelector(".line").hidden = true;
    this.lines.want(this.row(index));
  }

  /** The first line of the row under the pointer has come. */
  quote(row, text) {
    if (this.hovered < 0 || this.row(this.hovered) !== row) return;
    const line = this.tip.querySelector(".line");
    line.textContent = text;
    line.hidden = !text;
    this.seat();
  }

  unhover() {
    this.lines.want(null);
    if (this.hovered < 0 && this.tip.hidden) return;
    this.hovered = -1;
    this.tip.hidden = true;
    this.titles.mark(null);
    if (this.header) this.annotate();
  }

  dispose() {
    this.disposed = true;
    shown.delete(this);
    cancelAnimationFrame(this.waiting);
    cancelAnimationFrame(this.gliding);
    cancelAnimationFrame(this.sketching);
    clearTimeout(this.resting);
    this.resizer.disconnect();
    window.removeEventListener("resize", this.onWindow);
    this.gestures.dispose();
    this.lines.dispose();
    this.legend.brush?.dispose();
    this.points.dispose();
  }
}

export default function (component) {
  const { parentElement } = component;
  const root = parentElement.querySelector(".pointmap");
  let map = instances.get(parentElement);
  if (map && map.root !== root) {
    map.dispose();
    map = null;
  }
  if (!map) {
    map = new PointMap(root);
    instances.set(parentElement, map);
  }
  map.update(component);
  // A run that was overtaken has its clean-up called as well; only the last one may dispose.
  const turn = (map.turn = (map.turn ?? 0) + 1);
  return () =>
    setTimeout(() => {
      if (map.turn !== turn) return;
      map.dispose();
      if (instances.get(parentElement) === map) instances.delete(parentElement);
    });
}
