// Points without WebGL: squares set in an image, in the same order of layers.

import { isBackdrop } from "./look.js";

const blend = (page, color, share) => page.map((value, i) => value + (color[i] - value) * share);
const word = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

export class RasterPoints {
  constructor(canvas) {
    this.canvas = canvas;
    this.name = "canvas";
    this.context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  }

  upload(parts) {
    this.parts = parts;
    return 0;
  }

  /** Draws all up to `look.to`: what is drawn later may lie under what was drawn before. */
  draw(camera, look) {
    const { canvas, context } = this;
    const { xy, group, flags, palette } = this.parts;
    const { width, height } = canvas;
    const ratio = width / camera.width;
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer).fill(word(look.page));
    const own = [];
    for (let i = 0; i < palette.array.length; i += 3) {
      const color = [...palette.array.subarray(i, i + 3)];
      own.push(word(look.context === "dim" ? blend(look.page, color, 0.32) : color));
    }
    const grey = word(look.grey);
    const faint = word(blend(look.page, look.grey, 0.45));
    const accent = word(look.accent);
    const full = [];
    for (let i = 0; i < palette.array.length; i += 3) {
      full.push(word(palette.array.subarray(i, i + 3)));
    }
    const [from, to] = look.range ?? [0, Infinity];
    const zoom = (camera.scale * ratio) / 65535;
    const left = width / 2 - camera.x * camera.scale * ratio;
    const top = height / 2 + camera.y * camera.scale * ratio;
    const small = Math.max(1, Math.round(look.size * ratio));
    const large = Math.max(2, Math.round(look.litSize * ratio));
    for (const layer of [2, 0, 1]) {
      const size = layer === 1 ? large : small;
      const count = layer === 1 ? flags.array.length : look.to;
      for (let i = 0; i < count; i++) {
        const bits = flags.array[i];
        const outside = group.array[i] < from || group.array[i] > to;
        const place = bits & 1 && look.context ? 1 : outside ? 2 : bits & 2;
        if (place !== layer) continue;
        const x0 = Math.round(left + xy.array[2 * i] * zoom - size / 2);
        const y0 = Math.round(top - xy.array[2 * i + 1] * zoom - size / 2);
        if (x0 < 0 || y0 < 0 || x0 + size > width || y0 + size > height) continue;
        let color = isBackdrop(look.context) ? grey : own[group.array[i]];
        if (layer === 2) color = faint;
        if (layer === 1) color = look.context === "grey" ? accent : full[group.array[i]];
        for (let y = y0; y < y0 + size; y++) {
          pixels.fill(color, y * width + x0, y * width + x0 + size);
        }
      }
    }
    context.putImageData(image, 0, 0);
  }

  /** What says whether all that was drawn up to now is on the canvas. */
  fence() {
    return () => true;
  }

  dispose() {
    this.parts = null;
  }
}
