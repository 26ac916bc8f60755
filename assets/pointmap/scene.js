// What the image of the points depends on, all of it: the same scene is the same image.

import { clamp } from "./camera.js";
import { isBackdrop } from "./look.js";

/** How large (CSS pixels) points are, those that are lit too, and how opaque. */
function dots(camera, { n, lit, context }) {
  const area = Math.sqrt((camera.width * camera.height) / 8e5);
  const grown = Math.max(camera.zoom, 0.5) ** 0.38 * clamp(area, 0.75, 1.25);
  const dot = (count) => 1.75 * (1e5 / Math.max(count, 1)) ** 0.23;
  const size = clamp(clamp(dot(n), 1.2, 5) * grown, 1, 10);
  // A few chosen rows must be found at a glance; a selected region is seen anyway.
  const largest = context === "dim" ? 3 : 6;
  const litSize = clamp(clamp(dot(lit), 2, largest) * grown, size * 1.2, 13);
  // As a backdrop, points are thinner: where they lie close is what should show.
  const alone = clamp(0.72 + 0.1 * Math.log10(1e5 / n), 0.6, 0.95);
  const thick = isBackdrop(context) ? 0.6 * alone : alone;
  return { size, litSize, alpha: clamp(thick + 0.1 * Math.log2(camera.zoom), thick, 1) };
}

export function sceneOf({ camera, header, look, range, surface, xy, group, flags, palette }) {
  const { brushing } = range;
  const { canvas } = surface.points;
  return {
    ids: [xy.id, group.id, flags.id, palette.id],
    at: [camera.view, canvas.width, canvas.height],
    look: {
      ...look,
      ...dots(camera, header),
      // Of a range that replaces the selection, the selection hides nothing.
      context: brushing?.op === "replace" ? null : header.context,
      range: brushing ? brushing.levels : null,
    },
  };
}
