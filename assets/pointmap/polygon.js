// Thinning of drawn loops.

/** At most `limit` vertices: Douglas–Peucker within 3 pixels; of a scribble, evenly chosen ones. */
export function thin(path, limit) {
  let out = path;
  for (const tolerance of [0.75, 1.5, 3]) {
    out = simplify(path, tolerance);
    if (out.length <= limit) return out;
  }
  return Array.from({ length: limit }, (_, i) => out[Math.floor((i * out.length) / limit)]);
}

function simplify(path, tolerance) {
  const keep = new Uint8Array(path.length);
  keep[0] = keep[path.length - 1] = 1;
  const open = [[0, path.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    const [x0, y0] = path[from];
    const [dx, dy] = [path[to][0] - x0, path[to][1] - y0];
    const length = Math.hypot(dx, dy);
    let worst = tolerance;
    let at = -1;
    for (let i = from + 1; i < to; i++) {
      const [px, py] = [path[i][0] - x0, path[i][1] - y0];
      const away = length ? Math.abs(px * dy - py * dx) / length : Math.hypot(px, py);
      if (away > worst) [worst, at] = [away, i];
    }
    if (at < 0) continue;
    keep[at] = 1;
    open.push([from, at], [at, to]);
  }
  return path.filter((_, i) => keep[i]);
}
