// The message of core/mappack.py, taken apart.

const MAGIC = 0x314d4e57; // "WNM1", little-endian
const PREAMBLE = 16;
const KEPT = 12; // sections, of some maps: pages come and go

// Each component runs a script of its own, so that what they share hangs on the window.
const kept = (globalThis.winnowSections ??= new Map());
const ARRIVED = "winnow-sections";

/** Keeps sections for messages that name them without their bytes. */
export function keepSections(sections) {
  for (const { id, item, bytes } of Object.values(sections)) {
    kept.delete(id);
    kept.set(id, { id, item, bytes: bytes.slice() });
  }
  for (const id of [...kept.keys()].slice(0, -KEPT)) kept.delete(id);
  globalThis.dispatchEvent(new Event(ARRIVED));
}

/** Calls back once, when sections have arrived; returns what stops the waiting. */
export function onSections(callback) {
  globalThis.addEventListener(ARRIVED, callback, { once: true });
  return () => globalThis.removeEventListener(ARRIVED, callback);
}

/**
 * Returns { header, sections: { name: { id, item, bytes } }, complete }, or null if it is not a
 * map. It is not complete while a section that came in another message is not there yet.
 * `own` holds, by name, the sections that the map has already: of these the id is enough.
 */
export function readPayload(data, own = {}) {
  if (!(data instanceof Uint8Array) || data.length < PREAMBLE) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const start = PREAMBLE + view.getUint32(12, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(PREAMBLE, start)));
  const sections = {};
  let complete = true;
  for (const { name, id, offset, bytes, item } of header.sections) {
    if (offset === null) {
      sections[name] = kept.get(id) ?? (own[name]?.id === id ? own[name] : null);
      complete &&= sections[name] !== null;
    } else {
      sections[name] = { id, item, bytes: data.subarray(start + offset, start + offset + bytes) };
    }
  }
  return { header, sections, complete };
}

/** A section as numbers. Copies: the message need not be aligned, and must not be kept alive. */
export function numbers({ bytes, item }, n) {
  if (item === 0) return flags(bytes, n);
  const own = bytes.slice();
  return item === 2 ? new Uint16Array(own.buffer) : own;
}

/** Bit planes, the lowest bit of the flags first, as a byte for each of n points. */
function flags(bytes, n) {
  const out = new Uint8Array(n);
  const width = Math.ceil(n / 8);
  for (let plane = 0; plane * width < bytes.length; plane++) {
    for (let i = 0; i < n; i++) {
      out[i] |= ((bytes[plane * width + (i >> 3)] >> (i & 7)) & 1) << plane;
    }
  }
  return out;
}

/** "rrggbbrrggbb…" as RGB bytes. */
export function colors(hex) {
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(hex.substr(2 * i, 2), 16);
  return out;
}
