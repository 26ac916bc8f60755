// The map as a picture: its canvases, and the HTML over them painted after its computed style.

/** Words on one line, and where: text is broken into lines by the page, not here. */
function* lines(node) {
  const range = document.createRange();
  const text = node.data;
  let start = 0;
  let line = null;
  for (const [word] of text.matchAll(/\S+\s*|\s+/g)) {
    range.setStart(node, start);
    range.setEnd(node, start + word.trimEnd().length || start + word.length);
    const box = range.getBoundingClientRect();
    if (line && Math.abs(box.top - line.box.top) < 2) line.text += word;
    else {
      if (line) yield line;
      line = { text: word, box };
    }
    start += word.length;
  }
  if (line) yield line;
}

function frame(brush, style, { x, y, width, height }) {
  brush.beginPath();
  brush.roundRect(x, y, width, height, parseFloat(style.borderRadius) || 0);
  brush.fillStyle = style.backgroundColor;
  brush.fill();
  const line = parseFloat(style.borderTopWidth);
  if (!line) return;
  brush.lineWidth = line;
  brush.strokeStyle = style.borderTopColor;
  brush.stroke();
}

function words(brush, node, style, { left, top }, limit) {
  brush.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const { fontBoundingBoxAscent: ascent } = brush.measureText("x");
  brush.lineJoin = "round";
  for (const { text, box } of lines(node)) {
    const [x, y] = [box.left - left, Math.round(box.top - top + ascent)];
    let shown = text.trimEnd();
    while (shown.length > 1 && x + brush.measureText(shown).width > limit) {
      shown = `${shown.replace(/…$/, "").slice(0, -1)}…`;
    }
    const rim = parseFloat(style.webkitTextStrokeWidth);
    if (rim) {
      brush.lineWidth = rim;
      brush.strokeStyle = style.webkitTextStrokeColor;
      brush.strokeText(shown, x, y);
    }
    brush.fillStyle = style.color;
    brush.fillText(shown, x, y);
  }
}

/** Paints an element and what is in it; `fills` holds what a canvas cannot read from a style. */
function paint(brush, element, origin, fills) {
  // Handles are there to be dragged.
  if (element.classList.contains("handle")) return;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  if (element.hidden || style.visibility === "hidden" || style.display === "none") return;
  brush.save();
  brush.globalAlpha *= Number(style.opacity);
  const place = {
    x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height,
  };
  if (box.width && box.height) {
    frame(brush, style, place);
    fills(element)?.(brush, place);
  }
  if (style.overflowY === "auto") {
    brush.beginPath();
    brush.rect(place.x, place.y, place.width, place.height);
    brush.clip();
  }
  const limit = style.textOverflow === "ellipsis" ? place.x + place.width + 0.5 : Infinity;
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) words(brush, child, style, origin, limit);
    else if (child.nodeType === Node.ELEMENT_NODE) paint(brush, child, origin, fills);
  }
  brush.restore();
}

/**
 * What is seen, as a canvas of the device's pixels.
 *
 * `layers` are canvases and elements, bottom first, all just drawn: a WebGL canvas can only be
 * read in the task that drew it.
 */
export function picture(root, layers, stops) {
  const origin = root.getBoundingClientRect();
  const points = layers[0];
  const sheet = document.createElement("canvas");
  sheet.width = points.width;
  sheet.height = points.height;
  const brush = sheet.getContext("2d");
  const ratio = points.width / origin.width;
  const ramp = (element) => {
    if (!element.classList.contains("ramp")) return null;
    return (on, { x, y, width, height }) => {
      const fill = on.createLinearGradient(x, 0, x + width, 0);
      for (const [i, color] of stops.entries()) fill.addColorStop(i / (stops.length - 1), color);
      on.fillStyle = fill;
      on.fill();
    };
  };
  for (const layer of layers) {
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (layer instanceof HTMLCanvasElement) {
      if (!layer.hidden) brush.drawImage(layer, 0, 0, origin.width, origin.height);
    } else paint(brush, layer, origin, ramp);
  }
  return sheet;
}

/** Saves a canvas as a PNG named after some words. */
export function download(sheet, name) {
  const file = name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
  sheet.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${file || "map"}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }, "image/png");
}
