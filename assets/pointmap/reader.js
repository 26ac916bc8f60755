// The first line of a row: a Streamlit component (v2) that draws nothing, in a fragment of its
// own, so that a question runs neither the page nor the map again. Component and map talk by
// events on the window, each naming the map.

import { ANSWERED, ASKED } from "./hover.js";

const stops = new WeakMap();
let seq = Date.now();

export default function ({ data, parentElement, setStateValue }) {
  const { map, row, text } = data;
  stops.get(parentElement)?.();
  const asked = ({ detail }) => {
    if (detail.map === map) setStateValue("asked", { seq: ++seq, kind: "hover", row: detail.row });
  };
  globalThis.addEventListener(ASKED, asked);
  const stop = () => globalThis.removeEventListener(ASKED, asked);
  stops.set(parentElement, stop);
  if (row !== null) {
    globalThis.dispatchEvent(new CustomEvent(ANSWERED, { detail: { map, row, text } }));
  }
  return stop;
}
