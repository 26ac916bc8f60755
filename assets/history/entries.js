// Which addresses of the page the browser's back button leads to.
//
// Streamlit makes an entry of each address that it writes: several for one gesture, and some for
// none at all. Here one gesture makes one entry, on pages that show again what an entry names; on
// others the address of the entry changes.

const GESTURES = ["pointerdown", "keydown", "wheel", "drop"];

function begin(entries) {
  const push = history.pushState;
  for (const gesture of GESTURES) {
    window.addEventListener(gesture, () => (entries.moved = true), { capture: true, passive: true });
  }
  // Going back is no gesture of the page: what is written after it belongs to the entry.
  window.addEventListener("popstate", () => (entries.moved = false), true);
  history.pushState = (state, unused, url) => {
    const elsewhere = new URL(url, location.href).pathname !== location.pathname;
    if (!entries.moved || !(elsewhere || entries.restored)) {
      history.replaceState(state, unused, url);
      return;
    }
    entries.moved = false;
    push.call(history, state, unused, url);
  };
}

export default function ({ data }) {
  if (!globalThis.winnowEntries) begin((globalThis.winnowEntries = { moved: false }));
  globalThis.winnowEntries.restored = data.restored;
}
