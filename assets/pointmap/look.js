// Streamlit's theme, as colours for the map.

import { colors } from "./payload.js";

const parsed = new Map();
let tester = null; // made once, and not on the graphics card, which may be slow to give one

/** Any CSS colour as [r, g, b], told by a canvas, which turns it into one of two forms. */
function parse(text, fallback) {
  const known = parsed.get(text + fallback);
  if (known) return known;
  tester ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  tester.fillStyle = fallback;
  tester.fillStyle = text || fallback;
  const color = tester.fillStyle;
  const rgb =
    color[0] === "#" ? [...colors(color.slice(1))] : color.match(/[\d.]+/g).slice(0, 3).map(Number);
  parsed.set(text + fallback, rgb);
  return rgb;
}

const mix = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));

/** Whether the rows that are not lit are a grey ground for those that are. */
export const isBackdrop = (context) => context === "grey" || context === "parts";

/** Returns { dark, look }: whether the page is dark, and the colours that are no row's own. */
export function readLook(root) {
  const style = getComputedStyle(root);
  const rgb = (name, fallback) => parse(style.getPropertyValue(name).trim(), fallback);
  const page = rgb("--st-background-color", "#ffffff");
  const dark = 0.3 * page[0] + 0.6 * page[1] + 0.1 * page[2] < 128;
  const ink = rgb("--st-text-color", dark ? "#ffffff" : "#1a2130");
  const look = {
    page,
    ink,
    grey: mix(page, ink, dark ? 0.42 : 0.36),
    faint: mix(page, ink, dark ? 0.15 : 0.12),
    accent: rgb("--st-orange-color", "#e8590c"),
    line: rgb("--st-primary-color", "#2f6fed"),
  };
  return { dark, look };
}
