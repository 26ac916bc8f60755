// What a resting pointer asks for, row by row, and what it is told.

export const ASKED = "winnow-asked";
export const ANSWERED = "winnow-answered";
const REST_ON = 150; // ms on one point after which its text is asked for
const TOLD = 64; // texts kept, so that going back and forth asks once

export class FirstLines {
  /** `show(row, text)` is called only for the row that is waited for. */
  constructor(show) {
    this.show = show;
    this.told = new Map();
    this.wanted = null;
    this.heard = ({ detail: { map, row, text } }) => {
      if (map !== this.map) return;
      this.told.delete(row);
      this.told.set(row, text);
      if (this.told.size > TOLD) this.told.delete(this.told.keys().next().value);
      if (row === this.wanted) this.show(row, text);
    };
    globalThis.addEventListener(ANSWERED, this.heard);
  }

  /** Asks for a row once the pointer has rested on it; null: for none, and awaits none. */
  want(row) {
    clearTimeout(this.timer);
    this.wanted = row;
    if (row === null || !this.map) return;
    if (this.told.has(row)) {
      this.show(row, this.told.get(row));
      return;
    }
    this.timer = setTimeout(() => {
      const detail = { map: this.map, row };
      globalThis.dispatchEvent(new CustomEvent(ASKED, { detail }));
    }, REST_ON);
  }

  forget() {
    this.told.clear();
  }

  dispose() {
    clearTimeout(this.timer);
    globalThis.removeEventListener(ANSWERED, this.heard);
  }
}
