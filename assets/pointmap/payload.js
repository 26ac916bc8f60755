// The message of core/mappack.py, taken apart.

const MAGIC = 0x314d4e57; // "WNM1", little-endian
const PREAMBLE = 16;

/** Returns { header, sections: { name: { id, item, bytes } } }, or null if it is not a map. */
export function readPayload(data) {
  if (!(data instanceof Uint8Array) || data.length < PREAMBLE) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const start = PREAMBLE + view.getUint32(12, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(PREAMBLE, start)));
  const sections = {};
  for (const { name, id, offset, bytes, item } of header.sections) {
    sections[name] = { id, item, bytes: data.subarray(start + offset, start + offset + bytes) };
  }
  return { header, sections };
}

/** A section as numbers. Copies: the message need not be aligned, and must not be kept alive. */
export function numbers({ bytes, item }) {
  const own = bytes.slice();
  return item === 2 ? new Uint16Array(own.buffer) : own;
}

/** "rrggbbrrggbb…" as RGB bytes. */
export function colors(hex) {
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(hex.substr(2 * i, 2), 16);
  return out;
}
