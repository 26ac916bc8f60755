// The range of values that is marked on the legend: greyed at once, selected by the server.

export class LegendRange {
  /** `legend` shows it; `redraw()` is called whenever other points are to be greyed. */
  constructor(legend, redraw) {
    Object.assign(this, { legend, redraw, now: null });
  }

  /** Whether the server knows of it. */
  get sent() {
    return this.now?.sent ?? false;
  }

  /** The levels outside of which points are grey, and how they change the selection, or null. */
  get brushing() {
    return this.now && !this.now.settled ? this.now : null;
  }

  /** Greys what is outside; nothing is sent. */
  brush(levels, op) {
    const { sent } = this;
    this.now = levels || sent ? { levels, op, sent, settled: false } : null;
    this.redraw();
  }

  /** The server is told. */
  send() {
    Object.assign(this.now, { sent: true, waits: true });
  }

  clear() {
    if (this.now) this.redraw();
    this.now = null;
    this.legend.range(null);
  }

  /** The server has marked rows: those of the range, or others, to which it says nothing. */
  settle(context) {
    const { now } = this;
    if (!now) return;
    if (now.waits && now.op === "replace" && context === "dim") {
      Object.assign(now, { waits: false, settled: true });
    } else this.clear();
  }
}
