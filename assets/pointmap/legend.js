// What the colours mean.

const count = (number) => number.toLocaleString("en");

function short(number) {
  const size = Math.abs(number);
  const digits = size >= 100 || Number.isInteger(number) ? 0 : size >= 1 ? 1 : 3;
  return number.toLocaleString("en", { maximumFractionDigits: digits });
}

function element(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function entry(color, name, number, kind = "") {
  const row = element("div", "entry");
  const dot = element("span", `dot ${kind}`);
  dot.style.background = color;
  row.append(dot, element("span", "name", name));
  if (number !== null) row.append(element("span", "count", count(number)));
  return row;
}

/** Fills `box`; hides it when there is nothing to say. */
export function showLegend(box, header, look, palette, targets) {
  const css = (rgb) => `rgb(${[...rgb].join(" ")})`;
  const color = (group) => css(palette.subarray(3 * group, 3 * group + 3));
  const { legend } = header;
  const rows = [];
  const marked = header.context !== null;
  if (header.context === "grey") {
    rows.push(entry(css(look.accent), header.litLabel, header.lit));
    rows.push(entry(css(look.grey), "other rows", header.others));
  } else if (legend?.kind === "category") {
    if (legend.label) rows.push(element("h4", "", legend.label));
    for (const item of legend.entries) rows.push(entry(color(item.group), item.name, item.count));
    if (legend.other) rows.push(entry("var(--line)", "others", legend.other));
    const none = header.context === "parts" ? "other rows" : "none";
    if (legend.none) rows.push(entry(css(look.grey), none, legend.none));
  } else if (legend?.kind === "number") {
    if (legend.label) rows.push(element("h4", "", legend.label));
    const ramp = element("div", "ramp");
    const stops = Array.from({ length: 17 }, (_, i) => color(1 + Math.round((i * 254) / 16)));
    ramp.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
    const ends = element("div", "ends");
    ends.append(
      element("span", "", (legend.below ? "≤ " : "") + short(legend.low)),
      element("span", "", (legend.above ? "≥ " : "") + short(legend.high)),
    );
    rows.push(ramp, ends);
    if (legend.none) rows.push(entry(css(look.grey), "no value", legend.none));
  }
  if (targets) rows.push(entry("var(--ink)", "targets", targets, "target"));
  if (header.dropped && (marked || legend)) {
    rows.push(entry(css(look.faint), "dropped", header.dropped));
  }
  box.replaceChildren(...rows);
  box.hidden = rows.length === 0;
}
