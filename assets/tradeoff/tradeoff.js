// The trade-off curve with a handle on it: a Streamlit component (v2) that draws what
// pages/ui/tradeoff_chart.py sends, and answers a drag, a click or a key with one state change,
// `moved`. The handle follows the hand at once; the next value is sent when the last is answered,
// and the last one once more when the hand rests: the rest of the page waits for that.

const NS = "http://www.w3.org/2000/svg";
const LAST = 0.99;
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const PAD = { left: 34, right: 40, top: 22, bottom: 40 };
const PATIENCE = 1500; // ms after which no answer is waited for
const REST = 250; // ms without a move after which the hand rests
const LINES = ["cost", "reach", "size"]; // size, on the scale of reach, is dotted

const TOLD = {
  chosen: "The chosen rows alone, under the constraints",
  free: "The rows that would be chosen without the constraints",
};

const states = new WeakMap();
let seq = Date.now();

function make(tag, attributes, parent, text) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent?.append(node);
  return node;
}

const short = (value) => (value >= 1000 ? `${value / 1000}k` : `${value}`);
const whole = (value) => Math.round(value).toLocaleString("en-US");

class Curve {
  constructor(root) {
    this.root = root;
    this.svg = make("svg", {}, root);
    this.ground = make("g", {}, this.svg);
    this.grip = make("g", { class: "grip", tabindex: 0, role: "slider" }, this.svg);
    this.said = document.createElement("p");
    root.append(this.said);
    this.svg.onpointerdown = (event) => {
      if (event.button) return;
      this.svg.setPointerCapture(event.pointerId);
      this.held = true;
      this.grip.focus({ preventScroll: true });
      this.want(this.under(event));
    };
    this.svg.onpointermove = (event) => this.held && this.want(this.under(event));
    this.svg.onpointerup = this.svg.onpointercancel = () => (this.held = false);
    this.grip.onkeydown = (event) => this.key(event);
    // Who presses a button next means the handle as it stands.
    this.grip.onblur = () => {
      if (this.wanted == null) return;
      this.sent = null;
      this.push();
    };
    this.sizes = new ResizeObserver(() => this.data && this.draw());
    this.sizes.observe(root);
  }

  update(data, send) {
    this.send = send;
    const redraw = JSON.stringify(data) !== JSON.stringify(this.data);
    this.data = data;
    if (this.sent != null && data.seq >= this.sent) this.answered();
    if (!this.held && this.sent == null && this.wanted == null) this.weight = data.asked;
    if (redraw) this.draw();
    this.push();
  }

  // ---- the hand ----------------------------------------------------------------------------

  want(weight) {
    const wanted = Math.min(LAST, Math.max(0, Math.round(weight * 100) / 100));
    if (wanted === this.weight) return;
    this.weight = this.wanted = wanted;
    this.place();
    this.push();
  }

  /** Send the latest value, unless the one before is still being answered. */
  push() {
    if (this.wanted == null || this.sent != null) return;
    clearTimeout(this.rest);
    const own = (this.sent = this.last = ++seq);
    this.send("moved", { seq: own, weight: this.wanted });
    this.wanted = null;
    this.moved = true;
    setTimeout(() => {
      if (this.sent === own) this.answered();
      this.push();
    }, PATIENCE);
  }

  /** Say after a while that the hand rests, if no other value is sent until then. */
  answered() {
    this.sent = null;
    clearTimeout(this.rest);
    if (!this.moved) return;
    this.rest = setTimeout(() => {
      if (this.sent != null || this.wanted != null) return;
      this.moved = false;
      this.send("moved", { seq: ++seq, weight: this.weight, rested: this.last });
    }, REST);
  }

  under(event) {
    const { left } = this.svg.getBoundingClientRect();
    return ((event.clientX - left - PAD.left) / this.width) * LAST;
  }

  key(event) {
    const ends = { Home: 0, End: LAST };
    const to = ends[event.key] ?? this.weight + (STEPS[event.key] ?? NaN) / 100;
    if (Number.isNaN(to)) return;
    event.preventDefault();
    event.stopPropagation();
    this.want(to);
  }

  // ---- the picture -------------------------------------------------------------------------

  x(weight) {
    return PAD.left + (weight / LAST) * this.width;
  }

  y(line, value) {
    const [low, high] = line === "cost" ? this.costs : this.rows;
    const at = line === "cost" ? value : Math.log10(Math.max(value, 1));
    return PAD.top + this.height * (1 - (at - low) / (high - low || 1));
  }

  /** Where the path was solved at a weight that looks the same, if it was. */
  solved(weight) {
    return this.data.solved.find((one) => Math.abs(weight - one.weight) < 0.005);
  }

  /** A line's value at any weight, between those that were worked out. */
  value(line, weight) {
    const { weights } = this.data;
    const values = this.data[line];
    const after = weights.findIndex((one) => one >= weight);
    if (after <= 0) return values[after < 0 ? values.length - 1 : 0];
    const share = (weight - weights[after - 1]) / (weights[after] - weights[after - 1]);
    return values[after - 1] + share * (values[after] - values[after - 1]);
  }

  draw() {
    const { data, ground } = this;
    const full = this.root.clientWidth;
    const tall = this.svg.clientHeight;
    this.width = full - PAD.left - PAD.right;
    this.height = tall - PAD.top - PAD.bottom;
    if (this.width < 40) return;
    this.svg.setAttribute("viewBox", `0 0 ${full} ${tall}`);
    const marks = [data.chosen, data.free].filter((one) => one != null);
    const costs = [...data.cost, data.now.cost, ...marks];
    const room = 0.08 * (Math.max(...costs) - Math.min(...costs)) || 0.05;
    this.costs = [Math.min(...costs) - room, Math.max(...costs) + room];
    const most = Math.max(...data.reach, data.now.reach);
    this.rows = [Math.floor(Math.log10(Math.max(1, Math.min(...data.size)))), Math.log10(most) + 0.1];
    ground.replaceChildren();
    const foot = PAD.top + this.height;
    const column = (from, to) => ({ x: this.x(from), width: this.x(to) - this.x(from), y: PAD.top });
    const upright = (at) => ({ x1: this.x(at), x2: this.x(at), y1: PAD.top, y2: foot });
    if (data.least > 0) {
      const few = { ...column(0, Math.min(data.least, LAST)), height: this.height, class: "few" };
      make("title", {}, make("rect", few, ground), "Too few rows are in reach for the budget.");
      if (data.least < LAST) make("line", { ...upright(data.least), class: "least" }, ground);
    }
    make("line", { x1: PAD.left, x2: full - PAD.right, y1: foot, y2: foot, class: "axis" }, ground);
    for (const at of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      make("text", { x: this.x(at), y: foot + 16, class: "tick" }, ground, at);
    }
    for (const share of [0.25, 0.75]) {
      const cost = this.costs[0] + share * (this.costs[1] - this.costs[0]);
      const y = this.y("cost", cost);
      make("text", { x: PAD.left - 18, y: y + 4, class: "tick" }, ground, cost.toFixed(2));
    }
    for (let power = Math.max(0, this.rows[0]); power <= this.rows[1]; power++) {
      const y = this.y("reach", 10 ** power);
      make("text", { x: full - 22, y: y + 4, class: "tick" }, ground, short(10 ** power));
    }
    const names = [
      ["cost", PAD.left, PAD.top - 8, "start", "alignment cost"],
      ["reach", full - PAD.right, PAD.top - 8, "end", "rows in reach, dotted: effective size"],
      ["", PAD.left + this.width / 2, foot + 33, "middle", "diversity weight"],
    ];
    for (const [name, x, y, anchor, text] of names) {
      const style = `text-anchor: ${anchor}`;
      make("text", { x, y, style, class: `name ${name}` }, ground, text);
    }
    for (const line of LINES) {
      const points = data.weights.map((at, i) => `${this.x(at)},${this.y(line, data[line][i])}`);
      make("polyline", { points: points.join(" "), class: line }, ground);
    }
    for (const line of LINES) {
      const spot = { cx: this.x(data.now.weight), cy: this.y(line, data.now[line]) };
      make("circle", { ...spot, r: line === "size" ? 3 : 4.5, class: line }, ground);
    }
    for (const name of ["free", "chosen"]) {
      if (data[name] == null) continue;
      const x = this.x(data.now.weight);
      const y = this.y("cost", data[name]);
      const points = `${x - 6},${y} ${x},${y - 6} ${x + 6},${y} ${x},${y + 6}`;
      make("title", {}, make("polygon", { points, class: name }, ground), TOLD[name]);
    }
    this.place();
  }

  /** The numbers at the handle: as solved, or about, where they lie between those of the curve. */
  told() {
    const one = this.solved(this.weight);
    if (one) {
      const pinned = one.pinned ? ` (${whole(one.reach + one.pinned)} with the pinned ones)` : "";
      const reach = `${whole(one.reach)} rows in reach${pinned}`;
      return `cost ${one.cost.toFixed(3)}, ${reach}, effective size ${whole(one.size)}`;
    }
    const [cost, reach, size] = LINES.map((line) => this.value(line, this.weight));
    const about = (value) => `about ${whole(Number(value.toPrecision(2)))}`;
    return `cost about ${cost.toFixed(2)}, ${about(reach)} rows in reach, effective size ${about(size)}`;
  }

  place() {
    const x = this.x(this.weight);
    const foot = PAD.top + this.height;
    this.grip.replaceChildren();
    make("line", { x1: x, x2: x, y1: PAD.top, y2: foot }, this.grip);
    make("circle", { cx: x, cy: foot, r: 8 }, this.grip);
    const said = `At ${this.weight.toFixed(2)}: ${this.told()}.`;
    this.said.textContent = [said, this.data.note].filter(Boolean).join(" ");
    const told = { valuemin: 0, valuemax: LAST, valuenow: this.weight, valuetext: said };
    for (const [name, value] of Object.entries({ label: this.data.label, ...told })) {
      this.grip.setAttribute(`aria-${name}`, value);
    }
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".tradeoff");
  let curve = states.get(parentElement);
  if (curve?.root !== root) {
    curve?.sizes.disconnect();
    curve = new Curve(root);
    states.set(parentElement, curve);
  }
  curve.update(data, setStateValue);
}
