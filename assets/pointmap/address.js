// The view in the address of the page, so that a reload or a sent link shows the same.
//
// It is written without the server, which does not know it: whenever Streamlit writes an address
// of its own, the view is put back.

const PREFIX = "view=";
const FORM = /^(-?\d(?:\.\d{1,6})?)_(-?\d(?:\.\d{1,6})?)_(\d{1,2}(?:\.\d{1,4})?)$/;
const AWAY = 2; // widths of the map: a centre that is farther out was not written here

export class Address {
  /** `on.travelled(view)` is called where a person went back or forward: as `read` gives it. */
  constructor(on) {
    this.path = location.pathname;
    this.said = null;
    this.changed = ({ navigationType }) => navigationType === "traverse" || this.write();
    // Browsers without it get the view back with the next motion.
    globalThis.navigation?.addEventListener("currententrychange", this.changed);
    this.travelled = () => {
      if (location.pathname === this.path) on.travelled(Address.read());
    };
    window.addEventListener("popstate", this.travelled);
  }

  /** The view that the address names, as { x, y, zoom }; null if there is none, or no valid one. */
  static read() {
    const part = parts().find((one) => one.startsWith(PREFIX)) ?? "";
    const [x, y, zoom] = (FORM.exec(part.slice(PREFIX.length)) ?? []).slice(1).map(Number);
    return Math.max(Math.abs(x), Math.abs(y)) <= AWAY && zoom > 0 ? { x, y, zoom } : null;
  }

  /** Names the view of a camera; a fitted one needs no name. */
  say({ x, y, zoom, fitted }) {
    this.said = fitted ? null : `${x.toFixed(5)}_${y.toFixed(5)}_${zoom.toFixed(3)}`;
    this.write();
  }

  write() {
    // The page is being left.
    if (location.pathname !== this.path) return;
    const others = parts().filter((one) => !one.startsWith(PREFIX));
    const query = [...others, ...(this.said ? [PREFIX + this.said] : [])].join("&");
    if (query === location.search.slice(1)) return;
    const url = `${location.pathname}${query && `?${query}`}${location.hash}`;
    history.replaceState(history.state, "", url);
  }

  dispose() {
    globalThis.navigation?.removeEventListener("currententrychange", this.changed);
    window.removeEventListener("popstate", this.travelled);
  }
}

const parts = () => location.search.slice(1).split("&").filter(Boolean);
