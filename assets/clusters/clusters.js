// The list of clusters: a Streamlit component (v2) that draws what pages/ui/cluster_table.py sends
// and answers each tick with one state change, `ticked`. Streamlit's own table takes half a second
// to load.

const PATIENCE = 4000; // ms after which no answer to a tick is waited for

const states = new WeakMap();
let seq = Date.now();

function box(parent, label) {
  const input = make("input", "", make("td", "tick", parent));
  input.type = "checkbox";
  input.setAttribute("aria-label", label);
  input.tabIndex = -1;
  return input;
}

class List {
  constructor(root) {
    this.root = root;
    this.table = make("table", "", root);
    this.head = make("thead", "", this.table);
    this.body = make("tbody", "", this.table);
    this.ticked = new Set();
    this.body.onclick = (event) => this.click(event);
    this.body.onkeydown = (event) => this.key(event);
  }

  update({ ticked, seq: answered, ...shown }, send) {
    this.send = send;
    if (answered >= this.sent) this.sent = null;
    const before = this.ticked;
    if (this.sent == null) this.ticked = new Set(ticked);
    const same = before.size === this.ticked.size && [...before].every((one) => this.ticked.has(one));
    const drawn = JSON.stringify(shown);
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      const labels = shown.columns.map((column) => column.label).join("\n");
      if (labels !== this.labels) this.sorted = null;
      this.labels = labels;
      this.shown = shown;
      this.arrange();
    }
    this.mark();
    if (!same) this.reveal();
  }

  // ---- the hand ----------------------------------------------------------------------------

  click(event) {
    const line = event.target.closest("tr");
    if (!line) return; // pressed on one line, let go on another
    const place = [...this.body.children].indexOf(line);
    const input = line.querySelector("input");
    const on = event.target === input ? input.checked : !input.checked;
    const from = event.shiftKey && this.anchor != null ? this.anchor : place;
    this.anchor = place;
    this.stop(place);
    this.tick(this.rows.slice(Math.min(from, place), Math.max(from, place) + 1), on);
  }

  tick(rows, on) {
    for (const { number } of rows) this.ticked[on ? "add" : "delete"](number);
    this.mark();
    const own = (this.sent = ++seq);
    const ticked = [...this.ticked].sort((a, b) => a - b);
    this.send("ticked", { seq: own, list: this.shown.list, ticked });
    setTimeout(() => this.sent === own && (this.sent = null), PATIENCE);
  }

  key(event) {
    const lines = [...this.body.children];
    const at = lines.indexOf(event.target.closest("tr"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.stop(Math.max(0, Math.min(lines.length - 1, to)), true);
  }

  /** One line at a time can be reached by Tab; the arrows go on from there. */
  stop(place, focus = false) {
    const inputs = [...this.body.querySelectorAll("input")];
    inputs.forEach((input, i) => (input.tabIndex = i === place ? 0 : -1));
    if (focus) inputs[place].focus();
  }

  sort(column) {
    const up = this.sorted?.column === column ? !this.sorted.up : column < 0 || column === this.shown.by;
    this.sorted = { column, up };
    this.arrange();
    this.root.scrollTop = 0;
    this.mark();
  }

  /** The lines in the order that was asked for, or else as they came. */
  arrange() {
    this.rows = [...this.shown.rows];
    if (!this.sorted) return this.draw();
    const { column, up } = this.sorted;
    const value = (row) => (column < 0 ? row.title.toLowerCase() : row.values[column]);
    const order = (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b === up ? -1 : 1);
    // Of those that are alike the largest comes first, both ways round.
    this.rows.sort((a, b) => order(value(a), value(b)) || b.values[0] - a.values[0]);
    this.draw();
  }

  // ---- the picture -------------------------------------------------------------------------

  draw() {
    const { columns, label } = this.shown;
    const focused = this.root.getRootNode().activeElement?.closest("td, th");
    const number = focused?.parentNode.dataset.number;
    const cell = this.head.contains(focused) ? focused.cellIndex : -1;
    this.table.setAttribute("aria-label", label);
    this.head.replaceChildren();
    const top = make("tr", "", this.head);
    this.all = box(top, "All that are listed");
    this.all.tabIndex = 0;
    this.all.onchange = () => this.tick(this.rows, this.all.checked);
    make("th", "color", top).title = "Its colour on the map";
    this.name(make("th", "title", top), "title", -1);
    columns.forEach((column, i) => {
      const cell = make("th", column.bars ? "value bars" : "value", top);
      cell.title = column.help;
      this.name(cell, column.label, i);
    });
    this.body.replaceChildren(...this.rows.map((row) => this.line(row, columns)));
    this.anchor = null;
    const place = this.rows.findIndex((row) => `${row.number}` === number);
    this.stop(Math.max(0, place), place >= 0);
    if (cell >= 0) top.cells[cell].querySelector("button, input").focus();
  }

  name(cell, text, column) {
    make("button", "", cell, text).onclick = () => this.sort(column);
    if (this.sorted?.column === column) {
      cell.setAttribute("aria-sort", this.sorted.up ? "ascending" : "descending");
    }
  }

  line(row, columns) {
    const line = make("tr");
    line.dataset.number = row.number;
    box(line, row.title);
    make("i", "", make("td", "color", line)).style.background = row.color;
    make("td", "title", line, row.title).title = row.title;
    columns.forEach((column, i) => {
      const cell = make("td", column.bars ? "value bars" : "value", line);
      if (column.bars) {
        make("i", "", make("b", "", cell)).style.width = `${100 * column.bars * row.values[i]}%`;
      }
      make("span", "", cell, row.texts[i]);
    });
    return line;
  }

  /** Scrolls to the first line that is ticked: it was ticked elsewhere, on the map say. */
  reveal() {
    const line = this.body.querySelector(".on");
    if (!line) return;
    const { scrollTop, clientHeight } = this.root;
    const from = line.offsetTop - this.head.offsetHeight; // which lies over the lines
    const to = line.offsetTop + line.offsetHeight;
    if (from < scrollTop || to > scrollTop + clientHeight) this.root.scrollTop = from;
  }

  mark() {
    const lines = [...this.body.children];
    for (const line of lines) {
      const on = this.ticked.has(Number(line.dataset.number));
      line.classList.toggle("on", on);
      line.querySelector("input").checked = on;
    }
    const on = lines.filter((line) => line.classList.contains("on")).length;
    this.all.checked = on > 0 && on === lines.length;
    this.all.indeterminate = on > 0 && on < lines.length;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".clusters");
  let list = states.get(parentElement);
  if (list?.root !== root) {
    list = new List(root);
    states.set(parentElement, list);
  }
  list.update(data, setStateValue);
}
