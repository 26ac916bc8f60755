// The map of rows: a Streamlit component (v2) that draws one message of core/mappack.py and
// answers each gesture with one state change, `gesture`.

import { valueOf } from "./brush.js";
import { Camera } from "./camera.js";
import { Gestures } from "./gestures.js";
import { Legend } from "./legend.js";
import { isBackdrop, readLook } from "./look.js";
import { Loops, toLayout } from "./loops.js";
import { Nearest } from "./nearest.js";
import { Pace } from "./pace.js";
import { colors, numbers, onSections, readPayload } from "./payload.js";
import { OPENED, openedBeside, placeOf } from "./opened.js";
import { download, picture } from "./picture.js";
import { LegendRange } from "./range.js";
import { sceneOf } from "./scene.js";
import { Surface } from "./surface.js";
import { Tip } from "./tip.js";
import { Titles, coversOf } from "./titles.js";
import { View } from "./view.js";

const REACH = 8; // how near, in pixels, a click must be to a point
const TOOLS = ["pan", "lasso", "box"];

const instances = new WeakMap();
// A page that is left and opened again has the same tool.
const remembered = { tool: "pan", untitled: false };

class PointMap {
  constructor(root) {
    this.root = root;
    const part = (name) => root.querySelector(name);
    this.stage = part(".stage");
    this.caption = part(".caption");
    this.notice = part(".notice");
    this.legend = new Legend(part(".legend"), {
      brush: (levels, op) => this.range.brush(levels, op),
      send: (levels, op) => this.brushed(levels, op),
      clear: () => (this.range.sent ? this.clear() : this.range.clear()),
    });
    this.pace = new Pace({
      draw: (from, to) => this.render(from, to),
      fence: () => this.surface.points.fence(),
      rest: () => this.view.rest(),
    });
    this.range = new LegendRange(this.legend, () => this.pace.soon());
    this.camera = new Camera();
    this.view = new View(this.camera, {
      jump: () => {
        this.unhover();
        this.pace.swing();
      },
      step: () => this.pace.step(),
    });
    this.loops = new Loops(this.camera);
    this.titles = new Titles(part(".titles"), () => coversOf(root));
    this.tip = new Tip(part(".tip"), this.camera);
    this.hovered = -1;
    this.frames = 0;
    this.uploads = 0;
    this.seq = Date.now();
    this.surface = new Surface(root, this.camera, {
      emptied: () => this.pace.now(),
      restored: () => {
        this.upload();
        this.pace.soon();
      },
      full: () => this.fullChanged(),
    });
    this.gestures = new Gestures(this.stage, {
      pan: (dx, dy) => this.header && this.view.move(() => this.camera.pan(dx, dy)),
      zoom: (factor, x, y) =>
        this.header && this.view.move(() => this.camera.zoomAt(factor, x, y)),
      fit: () => this.header && this.view.fit(),
      draw: (path, kind, op) => this.draw(path, op),
      drawn: (path, kind, op) => this.drawn(path, kind, op),
      click: (x, y) => this.click(x, y),
      hover: (x, y) => this.hover(x, y),
      leave: () => this.unhover(),
      tool: (name) => this.choose(name),
      titles: () => this.untitle(!remembered.untitled),
      full: () => this.surface.fullscreen(),
      escape: () => this.surface.isFull && this.surface.fullscreen(),
      clear: () => this.clear(),
    });
    part('[data-act="full"]').hidden = !document.fullscreenEnabled;
    for (const button of root.querySelectorAll("button")) {
      button.onclick = () => this.press(button.dataset);
    }
    this.choose(remembered.tool);
    this.untitle(remembered.untitled);
    this.onOpened = () => this.header && this.annotate();
    window.addEventListener(OPENED, this.onOpened);
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
    this.view.link = header.link;
    this.root.querySelector(".tools").hidden = !header.selects;
    this.choose(remembered.tool);
    this.theme();
    this.upload();
    this.surface.stretch();
    this.surface.resize();
    if (moved) {
      this.nearest = null;
      this.loops.outlines = [];
      this.tip.lines.forget();
      this.pace.begin(header.n);
      this.view.begin(this.xy.id, header.extent, header.addressed);
    }
    // The server answered a lasso by marking rows: they show it better than the outline does.
    if (remarked) this.loops.outlines = [];
    if (remarked) this.range.settle(header.context);
    if (moved || recolored) this.range.clear();
    this.tip.lines.map = header.lines ? header.name : null;
    const titles = JSON.stringify([header.titles, header.coarse]);
    if (titles !== this.titled) {
      this.titled = titles;
      this.titles.set(header.titles, header.coarse);
    }
    this.titles.box.classList.toggle("quiet", isBackdrop(header.context));
    this.root.querySelector(".points").setAttribute("aria-label", header.alt);
    this.stage.setAttribute(
      "aria-label",
      `${header.alt} Arrow keys move the map, plus and minus zoom, F shows all, ` +
        "T hides or shows the titles, M fills the screen. " +
        (header.selects ? "L draws a lasso, B a box, Escape clears." : ""),
    );
    if (this.caption.textContent !== header.caption) this.caption.textContent = header.caption;
    this.titles.uncover();
    this.legend.show(header, this.look, this.palette, this.targets.array.length / 2);
    if (!this.legend.brush) this.range.now = null;
    this.chip(header);
    this.root.dataset.points = header.n;
    // Most runs of the page leave the map as it is; a million points are not drawn for nothing.
    if (JSON.stringify(sceneOf(this)) !== this.seen) this.pace.soon();
    else this.cover();
  }

  /** How many rows are selected, where that can be taken back, and perhaps a way to drop them. */
  chip({ context, lit, litLabel, drops }) {
    const chip = this.root.querySelector(".chip");
    chip.querySelector('[data-act="drop"]').hidden = !drops;
    chip.hidden = context !== "dim" || !lit;
    chip.querySelector(".count").textContent = `${lit.toLocaleString("en")} ${litLabel}`;
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
    this.uploads += this.surface.points.upload({ xy, group, flags, palette });
    this.root.dataset.uploads = this.uploads;
  }

  // ---- drawing ---------------------------------------------------------------------------

  /** Draws points in the order of travel: from 0 with all that is over them, else only these. */
  render(from, to) {
    const { camera, header, root } = this;
    if (!header || camera.width <= 1 || this.disposed) return;
    const scene = sceneOf(this);
    this.surface.points.draw(camera, { ...scene.look, from, to });
    this.seen = JSON.stringify(scene);
    this.frames += 1;
    root.dataset.frames = this.frames;
    root.dataset.drawn = to;
    if (!from) this.cover();
  }

  /** Draws what lies over the points. */
  cover() {
    const { camera, root } = this;
    this.titles.place(camera);
    this.annotate();
    this.view.visit(this.header);
    if (!this.pace.moving) this.view.rest();
    root.dataset.view = [camera.x, camera.y, camera.zoom].map((v) => v.toFixed(5)).join(" ");
  }

  /** Everything over the points: targets, outlines, the loop being drawn, rings around points. */
  annotate() {
    const { header, hovered } = this;
    const { array: xy } = this.xy;
    const spot = (index) => [xy[2 * index] / 65535, xy[2 * index + 1] / 65535];
    const opened = openedBeside(header.name);
    this.surface.ink.draw(this.camera, this.look, {
      targets: this.targets.array,
      outlines: this.loops.outlines,
      drawing: this.loops.drawing,
      opened: opened === null ? null : spot(placeOf(opened, header)),
      ring: hovered < 0 ? null : spot(hovered),
    });
  }

  fullChanged() {
    this.unhover();
    this.titles.uncover();
    const button = this.root.querySelector('[data-act="full"]');
    button.setAttribute("aria-pressed", String(this.surface.isFull));
  }

  // ---- gestures --------------------------------------------------------------------------

  press({ tool, act }) {
    if (tool) this.choose(tool);
    if (act === "full") this.surface.fullscreen();
    if (act === "titles") this.untitle(!remembered.untitled);
    if (!this.header) return;
    if (act === "in") this.view.zoomBy(1.6);
    if (act === "out") this.view.zoomBy(1 / 1.6);
    if (act === "fit") this.view.fit();
    if (act === "save") this.save();
    if (act === "clear") this.clear();
    if (act === "drop") this.send({ kind: "drop" });
  }

  /** Downloads what is seen and what it is, all points and no tip or tools. */
  save() {
    const { root, header } = this;
    this.unhover();
    this.pace.whole();
    const part = (name) => root.querySelector(name);
    const heading = part(".heading");
    const layers = [
      this.surface.points.canvas, part(".titles"), part(".ink"), part(".legend"), this.caption,
      heading,
    ];
    heading.textContent = header.heading;
    heading.hidden = !header.heading;
    const sheet = picture(root, layers, this.legend.stops);
    heading.hidden = true;
    download(sheet, header.file || header.caption);
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

  /** Hides the titles, which may lie over points, or shows them again. */
  untitle(off) {
    remembered.untitled = off;
    this.titles.hide(off);
    this.root.querySelector('[data-act="titles"]').setAttribute("aria-pressed", String(off));
  }

  draw(path, op) {
    if (!path && !this.loops.drawing) return;
    this.loops.drawing = path ? { path, op } : null;
    this.sketching ||= requestAnimationFrame(() => {
      this.sketching = 0;
      this.annotate();
    });
  }

  drawn(path, kind, op) {
    const loop = this.loops.close(path, op);
    if (loop) this.range.clear();
    this.annotate();
    if (!loop) {
      this.tip.say("Nothing lies within a line: draw around the rows.", path.at(-1));
      return;
    }
    const polygon = loop.map((corner) => toLayout(corner, this.header.frame));
    this.send({ kind, op, polygon });
  }

  clear() {
    const { loops, range, header } = this;
    const sent = loops.outlines.length || range.sent || header?.context === "dim";
    loops.outlines = [];
    range.clear();
    this.annotate();
    if (sent) this.send({ kind: "clear" });
  }

  /** A range of the scale was let go: its rows are to be selected. */
  brushed(levels, op) {
    const [low, high] = levels.map((level) => valueOf(level, this.header.legend));
    if (op === "replace") this.loops.outlines = [];
    this.annotate();
    this.range.send();
    this.send({ kind: "range", op, low, high });
  }

  at(x, y) {
    this.nearest ??= new Nearest(this.xy.array);
    return this.nearest.find(...this.camera.toMap(x, y), REACH / this.camera.scale);
  }

  click(x, y) {
    const title = this.titles.hit(x, y);
    if (title?.clusters.length) {
      if (title.box) this.view.goTo(title.box);
      this.range.clear();
      const { cluster, clusters } = title;
      this.send(cluster < 0 ? { kind: "group", clusters } : { kind: "cluster", cluster });
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
    const title = this.titles.hit(x, y);
    const index = title ? -1 : this.at(x, y);
    const named = title?.clusters.length ? title : null;
    this.titles.mark(named);
    this.gestures.cursor(named !== null || index >= 0);
    if (index !== this.hovered) {
      this.hovered = index;
      this.annotate();
    }
    if (index < 0) this.tip.hide();
    else {
      this.tip.tell(this.row(index), this.header.names[this.group.array[index]]);
      this.tip.seat(x, y);
    }
  }

  unhover() {
    this.tip.hide();
    this.titles.mark(null);
    if (this.hovered < 0) return;
    this.hovered = -1;
    if (this.header) this.annotate();
  }

  dispose() {
    this.disposed = true;
    window.removeEventListener(OPENED, this.onOpened);
    cancelAnimationFrame(this.sketching);
    this.pace.dispose();
    this.view.dispose();
    this.gestures.dispose();
    this.tip.dispose();
    this.legend.brush?.dispose();
    this.surface.dispose();
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
