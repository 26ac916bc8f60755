// What the colours mean.

import { Brush, valueOf } from "./brush.js";

// Numbers from which on, and below which, digits say less than a power of ten.
const LONG = 1e15;
const SHORT = 1e-3;

const count = (number) => number.toLocaleString("en");

function short(number) {
  const size = Math.abs(number);
  if (size >= LONG || (size && size < SHORT)) return number.toExponential(1);
  const digits = size >= 100 || Number.isInteger(number) ? 0 : size >= 1 ? 1 : 3;
  return number.toLocaleString("en", { maximumFractionDigits: digits });
}

function element(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function entry(color, name, number, kind = "") {
  const row = element("div", "entry");
  const dot = element("span", `dot ${kind}`);
  dot.style.background = color;
  row.append(dot, element("span", "name", name));
  if (number !== null) row.append(element("span", "count", count(number)));
  return row;
}

export class Legend {
  /** `on`: what a brush on the scale of numbers calls, see brush.js. */
  constructor(box, on) {
    this.box = box;
    this.on = on;
    this.brush = null;
    this.stops = [];
  }

  /** Shows what the colours of a map mean; hides itself when there is nothing to say. */
  show(header, look, palette, targets) {
    const { context, legend } = header;
    const scale = legend?.kind === "number" && context !== "grey";
    const brushed = scale && header.selects && context !== "parts";
    // What has the focus, or is being dragged, stays in place while nothing in sight changes.
    const { dropped } = header;
    const shown = JSON.stringify([
      context === "grey" && [header.litLabel, header.lit, header.others],
      context === "parts", legend, brushed, targets, dropped, palette.id, look,
    ]);
    if (shown === this.shown) return;
    this.shown = shown;
    const css = (rgb) => `rgb(${[...rgb].join(" ")})`;
    const color = (group) => css(palette.array.subarray(3 * group, 3 * group + 3));
    const rows = [];
    const range = this.brush?.levels;
    const same = JSON.stringify(legend) === this.scale;
    this.brush?.dispose();
    this.brush = null;
    this.scale = brushed ? JSON.stringify(legend) : null;
    if (context === "grey") {
      rows.push(entry(css(look.accent), header.litLabel, header.lit));
      rows.push(entry(css(look.grey), "other rows", header.others));
    } else if (legend?.kind === "category") {
      if (legend.label) rows.push(element("h4", "", legend.label));
      const list = element("div", "list");
      for (const item of legend.entries) list.append(entry(color(item.group), item.name, item.count));
      // They have colours, too.
      const mixed = `conic-gradient(${[0, 1, 2, 3, 0].map(color).join(", ")}), ${css(look.grey)}`;
      if (legend.other) list.append(entry(mixed, "others", legend.other));
      rows.push(list);
      const none = context === "parts" ? "other rows" : "none";
      if (legend.none) rows.push(entry(css(look.grey), none, legend.none));
    } else if (scale) {
      if (legend.label) rows.push(element("h4", "", legend.label));
      this.stops = Array.from({ length: 17 }, (_, i) => color(1 + Math.round((i * 254) / 16)));
      const gradient = `linear-gradient(90deg, ${this.stops.join(", ")})`;
      this.ends = [element("span", ""), element("span", "")];
      const ends = element("div", "ends");
      ends.append(...this.ends);
      if (brushed) {
        this.brush = new Brush(legend, gradient, short, {
          ...this.on,
          brush: (levels, op) => {
            this.name(legend, levels);
            this.on.brush(levels, op);
          },
        });
        if (same) this.brush.set(range);
        rows.push(this.brush.node, ends);
      } else {
        const ramp = element("div", "ramp");
        ramp.style.background = gradient;
        rows.push(ramp, ends);
      }
      this.name(legend, this.brush?.levels);
      if (legend.none) rows.push(entry(css(look.grey), "no value", legend.none));
    }
    if (targets) rows.push(entry("var(--ink)", "targets", targets, "target"));
    if (dropped) rows.push(entry(css(look.faint), "dropped", dropped));
    this.box.replaceChildren(...rows);
    this.box.hidden = rows.length === 0;
    const list = this.box.querySelector(".list");
    if (list && list.scrollHeight > list.clientHeight) {
      list.classList.add("long");
      list.tabIndex = 0;
      list.onkeydown = (event) => {
        if (event.key.startsWith("Arrow")) event.stopPropagation(); // they scroll it
      };
    }
  }

  /** Writes the ends of the scale, or of the range on it. */
  name(legend, levels) {
    const [from, to] = levels ?? [1, 255];
    const below = from === 1 && legend.below ? "≤ " : "";
    const above = to === 255 && legend.above ? "≥ " : "";
    this.ends[0].textContent = below + short(valueOf(from, legend));
    this.ends[1].textContent = above + short(valueOf(to, legend));
    for (const end of this.ends) end.classList.toggle("chosen", Boolean(levels));
  }

  /** Shows a range on the scale without calling back; null is the whole scale. */
  range(levels) {
    if (!this.brush) return;
    this.brush.set(levels);
    this.name(this.brush.legend, levels);
  }
}
