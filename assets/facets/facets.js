// Histograms whose bars filter: a Streamlit component (v2) that draws what core/facets.py counted
// and answers each choice with one state change, `chosen`. Text from data is only ever set as text.

const LOW = 0.2; // found bars that are all lower than this share of the plot …
const ENLARGED = 0.6; // … are drawn larger, the highest up to this share

const states = new WeakMap();
let seq = Date.now();

/** The largest of 1, 2, 5, 10, 20 … that is not larger: what is said is what is drawn. */
function rounded(times) {
  const power = 10 ** Math.floor(Math.log10(times));
  return power * [5, 2, 1].find((step) => power * step <= times);
}

const count = (value) => value.toLocaleString("en-US");

function strips(parent, side, total, left) {
  for (const share of [total, left]) make("i", "", parent).style[side] = share;
}

class Facet {
  constructor(parent, facet, state) {
    this.facet = facet;
    this.state = state;
    this.root = make("section", facet.picked ? "picked" : "", parent);
    this.root.dataset.column = facet.column;
    const header = make("header", "", this.root);
    make("h3", "", header, facet.label).title = facet.label;
    this.said = make("span", "said", header, facet.said);
    this.button(header, facet.picked, "Take this filter off", { clear: true });
    this.button(header, facet.removable && !facet.picked, "Hide this column", { remove: true });
    if (facet.kind === "number") this.numbers();
    else this.names();
    for (const note of facet.notes) make("p", "note", this.root, note);
  }

  button(parent, wanted, title, choice) {
    if (!wanted) return;
    const button = make("button", "clear", parent, "×");
    button.title = title;
    button.setAttribute("aria-label", `${title}: ${this.facet.label}`);
    button.onclick = () => this.send(choice);
  }

  send(choice) {
    this.state.send("chosen", { seq: ++seq, column: this.facet.column, ...choice });
  }

  say(bar) {
    const rows = `${count(bar.left)} of ${count(bar.total)}`;
    this.said.textContent = bar ? `${bar.name}: ${rows}` : this.facet.said;
  }

  numbers() {
    const { bars, ends, label, column } = this.facet;
    const most = Math.max(1, ...bars.map((bar) => bar.total));
    const found = Math.max(0, ...bars.map((bar) => bar.left));
    const times = found && found < LOW * most ? rounded((ENLARGED * most) / found) : 1;
    if (times > 1) {
      make("p", "note", this.root, `Blue bars enlarged ×${count(times)}, so that they can be seen`);
    }
    const plot = (this.plot = make("div", "plot", this.root));
    plot.tabIndex = 0;
    plot.setAttribute("role", "slider");
    plot.setAttribute("aria-label", `${label}: rows by value; arrows move, Enter filters`);
    plot.setAttribute("aria-valuemin", 0);
    plot.setAttribute("aria-valuemax", bars.length - 1);
    const height = (value, scale) => (value ? `max(2px, ${(100 * value * scale) / most}%)` : 0);
    this.bars = bars.map((bar) => {
      const node = make("div", bar.on ? "bar on" : "bar", plot);
      strips(node, "height", height(bar.total, 1), height(bar.left, times));
      return node;
    });
    const feet = make("div", "ends", this.root);
    for (const end of ends) make("span", "", feet, end);
    const kept = this.state.at?.column === column ? this.state.at.place : -1;
    this.place = Math.min(kept, bars.length - 1);
    this.from = null;
    plot.onpointerdown = (event) => {
      if (event.button) return;
      plot.setPointerCapture(event.pointerId);
      this.from = this.over(event);
      this.mark(this.from, this.from);
    };
    plot.onpointermove = (event) => {
      const at = this.over(event);
      this.mark(this.from ?? at, at);
    };
    plot.onpointerup = (event) => {
      if (this.from !== null) this.choose(this.from, this.over(event));
      this.from = null;
    };
    plot.onpointercancel = plot.onpointerleave = () => {
      if (this.from === null) this.mark();
    };
    plot.onblur = () => this.mark();
    plot.onkeydown = (event) => this.key(event);
    if (kept >= 0) plot.focus({ preventScroll: true });
  }

  over(event) {
    const box = this.plot.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * this.bars.length);
    return Math.max(0, Math.min(this.bars.length - 1, place));
  }

  /** Show which bars are pointed at, and say what they hold. */
  mark(from, to) {
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    this.bars.forEach((node, i) => node.classList.toggle("at", i >= low && i <= high));
    const bars = this.facet.bars.slice(low, high + 1);
    if (!bars.length || from === undefined) {
      this.said.textContent = this.facet.said;
      return;
    }
    const [first, last] = [bars[0], bars.at(-1)];
    const sum = (name) => bars.reduce((total, bar) => total + bar[name], 0);
    const name = first === last ? first.name : `${first.low} – ${last.high}`;
    this.say({ name, left: sum("left"), total: sum("total") });
    this.plot.setAttribute("aria-valuenow", to);
    this.plot.setAttribute("aria-valuetext", this.said.textContent);
  }

  /** Filter by these bars; the same ones once more take the filter off. */
  choose(from, to) {
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    const same = this.facet.bars.every((bar, i) => bar.on === (i >= low && i <= high));
    this.send(this.facet.picked && same ? { clear: true } : { low, high });
  }

  key(event) {
    const last = this.bars.length - 1;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
    if (step) {
      const before = Math.max(0, this.place);
      this.place = this.place < 0 ? 0 : Math.max(0, Math.min(last, this.place + step));
      this.anchor = event.shiftKey ? (this.anchor ?? before) : this.place;
      this.mark(this.anchor, this.place);
    } else if ((event.key === "Enter" || event.key === " ") && this.place >= 0) {
      this.state.at = { column: this.facet.column, place: this.place };
      this.choose(this.anchor ?? this.place, this.place);
    } else if (event.key === "Escape" && this.facet.picked) {
      this.send({ clear: true });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  names() {
    const { bars, column } = this.facet;
    const most = Math.max(1, ...bars.map((bar) => bar.total));
    const list = make("div", "values", this.root);
    bars.forEach((bar) => {
      const button = make("button", bar.on ? "value on" : "value", list);
      const width = (value) => (value ? `max(2px, ${(100 * value) / most}%)` : 0);
      strips(button, "width", width(bar.total), width(bar.left));
      make("span", "", button, bar.name || "(empty)").title = bar.name;
      make("span", "count", button, count(bar.left));
      button.setAttribute("aria-pressed", bar.on);
      button.onpointerenter = button.onfocus = () => this.say(bar);
      button.onpointerleave = button.onblur = () => (this.said.textContent = this.facet.said);
      button.onclick = (event) => {
        this.state.at = event.detail ? null : { column, name: bar.name }; // 0: by the keyboard
        this.send({ value: bar.name });
      };
      const { at } = this.state;
      if (at?.column === column && at.name === bar.name) button.focus({ preventScroll: true });
    });
    list.scrollTop = this.state.scrolled.get(column) ?? 0;
    list.onscroll = () => this.state.scrolled.set(column, list.scrollTop);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".facets");
  const state = states.get(parentElement) ?? { at: null, scrolled: new Map() };
  states.set(parentElement, state);
  state.send = setStateValue;
  // The focus comes back to where it was, and is not taken from where it went meanwhile.
  if (!root.contains(root.getRootNode().activeElement)) state.at = null;
  root.replaceChildren();
  for (const facet of data.facets) new Facet(root, facet, state);
}
