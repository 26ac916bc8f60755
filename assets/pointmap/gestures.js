// Pointer, wheel and keyboard on the map, told apart and passed on.
//
// `on` has: pan(dx, dy), zoom(factor, x, y), draw(path, kind, op), drawn(path, kind, op),
// click(x, y), hover(x, y), leave(), tool(name), fit(), titles(), full(), escape() and clear().

const STILL = 4; // a press that moves less than this many pixels is a click
const STEP = 2;
const PAUSE = 250; // ms without a wheel event after which a new gesture begins
const KEYS = { p: "pan", v: "pan", l: "lasso", b: "box" };
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Gestures {
  constructor(stage, on) {
    this.stage = stage;
    this.on = on;
    this.tool = "pan";
    this.pointers = new Map();
    this.mode = null;
    this.space = false;
    this.stop = new AbortController();
    const listen = (type, handler, options) =>
      stage.addEventListener(type, handler, { signal: this.stop.signal, ...options });
    listen("pointerdown", (event) => this.down(event));
    listen("pointermove", (event) => this.move(event));
    listen("pointerup", (event) => this.up(event));
    listen("pointercancel", (event) => this.up(event, true));
    listen("pointerleave", () => this.on.leave());
    listen("wheel", (event) => this.wheel(event), { passive: false });
    // Scrolling that brings the map under the pointer goes on scrolling.
    this.scrolled = -PAUSE;
    const elsewhere = (event) => {
      if (!event.composedPath().includes(stage)) this.scrolled = event.timeStamp;
    };
    const heard = { signal: this.stop.signal, passive: true, capture: true };
    window.addEventListener("wheel", elsewhere, heard);
    listen("keydown", (event) => this.key(event));
    listen("keyup", (event) => {
      if (event.key === " ") this.space = false;
      this.cursor();
    });
    listen("blur", () => {
      this.space = false;
    });
  }

  dispose() {
    this.stop.abort();
  }

  cursor(over = null) {
    const pans = this.mode === "pan" || this.mode === "pinch";
    const moves = this.tool === "pan" || this.space;
    this.stage.dataset.cursor = pans ? "drag" : over ? "point" : moves ? "pan" : "draw";
  }

  down(event) {
    if (event.button > 1) return;
    event.preventDefault();
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    const at = [event.offsetX, event.offsetY];
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      this.cancel();
      this.mode = "pinch";
      return;
    }
    if (this.pointers.size > 2) return;
    const held = event.shiftKey || event.altKey;
    this.op = event.shiftKey ? "add" : event.altKey ? "subtract" : "replace";
    this.mode = this.tool === "pan" && held ? "lasso" : this.tool;
    if (event.button === 1 || this.space) this.mode = "pan";
    this.path = [at];
    this.moved = false;
    this.on.leave();
    this.cursor();
  }

  move(event) {
    const at = [event.offsetX, event.offsetY];
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      // A drag that began elsewhere is no hover.
      if (!event.buttons) this.on.hover(...at);
      return;
    }
    if (this.mode === "pinch") {
      this.pinch(event.pointerId, at);
      return;
    }
    this.pointers.set(event.pointerId, at);
    if (!this.mode) return;
    const [x0, y0] = this.path[0];
    if (!this.moved && Math.hypot(at[0] - x0, at[1] - y0) < STILL) return;
    this.moved = true;
    if (this.mode === "pan") {
      const last = this.path[this.path.length - 1];
      this.on.pan(at[0] - last[0], at[1] - last[1]);
      this.path.push(at);
      this.path.splice(1, this.path.length - 2);
    } else if (this.mode === "box") {
      this.path = [[x0, y0], [at[0], y0], at, [x0, at[1]]];
      this.on.draw(this.path, "box", this.op);
    } else {
      const last = this.path[this.path.length - 1];
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) < STEP) return;
      this.path.push(at);
      this.on.draw(this.path, "lasso", this.op);
    }
  }

  pinch(id, at) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, place]) => place);
    const before = this.pointers.get(id);
    const apart = (a, b) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1);
    this.pointers.set(id, at);
    if (!other) return;
    this.on.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.on.zoom(apart(at, other) / apart(before, other), ...middle);
  }

  up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { mode, path, op, moved } = this;
    // The finger that stays after a pinch moves nothing until it is lifted.
    this.mode = null;
    this.cursor();
    if (cancelled || !mode || mode === "pinch") {
      this.on.draw(null);
      return;
    }
    if (!moved) this.on.click(event.offsetX, event.offsetY);
    else if (mode !== "pan") this.on.drawn(path, mode, op);
  }

  cancel() {
    const drawing = this.mode === "lasso" || this.mode === "box";
    this.mode = null;
    this.on.draw(null);
    this.cursor();
    return drawing;
  }

  wheel(event) {
    if (event.timeStamp - this.scrolled < PAUSE && !event.ctrlKey) {
      this.scrolled = event.timeStamp;
      return;
    }
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    // A pinch on a touch pad comes as a wheel with Ctrl, in small steps.
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    const turn = Math.min(Math.max(event.deltaY * unit, -240), 240);
    this.on.zoom(Math.exp(-turn * speed), event.offsetX, event.offsetY);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey) return;
    const { key } = event;
    const middle = [this.stage.clientWidth / 2, this.stage.clientHeight / 2];
    if (key in ARROWS) this.on.pan(...ARROWS[key].map((way) => way * 60));
    else if (key === "+" || key === "=") this.on.zoom(1.35, ...middle);
    else if (key === "-" || key === "_") this.on.zoom(1 / 1.35, ...middle);
    else if (key === "0" || key === "f") this.on.fit();
    else if (key === "m") this.on.full();
    else if (key === "t") this.on.titles();
    else if (key === " ") this.space = true;
    else if (key in KEYS) this.on.tool(KEYS[key]);
    else if (key === "Escape") {
      if (!this.cancel() && !this.on.escape()) this.on.clear();
    } else if (key === "Delete" || key === "Backspace") this.on.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.cursor();
  }
}
