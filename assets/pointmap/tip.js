// What is said beside the pointer about the point under it.

import { clamp } from "./camera.js";
import { FirstLines } from "./hover.js";

export class Tip {
  constructor(box, camera) {
    this.box = box;
    this.camera = camera;
    this.row = null;
    this.lines = new FirstLines((row, text) => this.quote(row, text));
  }

  /** Names a row and its group; its first line follows once the pointer has rested on it. */
  tell(row, group) {
    if (row === this.row) return;
    this.row = row;
    const number = document.createElement("span");
    number.textContent = `row ${row.toLocaleString("en")}`;
    this.box.querySelector(".what").replaceChildren(...(group ? [`${group} · `] : []), number);
    this.box.querySelector(".line").hidden = true;
    this.box.hidden = false;
    this.lines.want(row);
  }

  /** Says a sentence at a place, until the pointer goes on. */
  say(text, [x, y]) {
    this.row = null;
    this.box.querySelector(".what").replaceChildren(text);
    this.box.querySelector(".line").hidden = true;
    this.box.hidden = false;
    this.seat(x, y);
  }

  /** Puts the tip beside the pointer, where it is in sight. */
  seat(x, y) {
    this.pointer = [x, y];
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const left = x + 14 + width > this.camera.width ? Math.max(x - 14 - width, 4) : x + 14;
    const top = clamp(y - 6 - height, 4, Math.max(this.camera.height - height - 4, 4));
    this.box.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** The first line of the row under the pointer has come. */
  quote(row, text) {
    if (this.row !== row) return;
    const line = this.box.querySelector(".line");
    line.textContent = text;
    line.hidden = !text;
    if (this.pointer) this.seat(...this.pointer);
  }

  hide() {
    this.row = null;
    this.box.hidden = true;
    this.lines.want(null);
  }

  dispose() {
    this.lines.dispose();
  }
}
