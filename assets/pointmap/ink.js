// What is drawn over the points: diamonds of targets, outlines of loops, rings.

const DIAMOND = [[0, -5], [5, 0], [0, 5], [-5, 0]];

export class Ink {
  constructor(canvas) {
    this.canvas = canvas;
    // Loops are drawn anew with each move: on the CPU that costs little everywhere.
    this.brush = canvas.getContext("2d", { willReadFrequently: true });
  }

  /** `outlines` are in map coordinates, `drawing` in pixels: each a { path, op }. */
  draw(camera, look, { targets, outlines, drawing, opened, ring }) {
    const { brush, canvas } = this;
    // An empty sheet over the map costs as much to compose as a full one.
    canvas.hidden = !targets.length && !outlines.length && !drawing && !opened && !ring;
    if (canvas.hidden) return;
    const ratio = canvas.width / camera.width;
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, camera.width, camera.height);
    this.diamonds(camera, look, targets);
    for (const { path, op } of outlines) {
      this.loop(path.map(([x, y]) => camera.toScreen(x, y)), op, look);
    }
    if (drawing) this.loop(drawing.path, drawing.op, look);
    if (opened) this.ring(camera.toScreen(...opened), look, { radius: 9, color: look.line, width: 3 });
    if (ring) this.ring(camera.toScreen(...ring), look, { radius: 6, color: look.ink, width: 1.5 });
  }

  diamonds(camera, look, targets) {
    const { brush } = this;
    brush.lineWidth = 1.5;
    brush.fillStyle = css(look.ink);
    brush.strokeStyle = css(look.page);
    for (let i = 0; i < targets.length; i += 2) {
      const [x, y] = camera.toScreen(targets[i] / 65535, targets[i + 1] / 65535);
      brush.beginPath();
      for (const [dx, dy] of DIAMOND) brush.lineTo(x + dx, y + dy);
      brush.closePath();
      brush.fill();
      brush.stroke();
    }
  }

  loop(path, op, look) {
    const { brush } = this;
    const color = op === "subtract" ? look.accent : look.line;
    brush.beginPath();
    for (const [x, y] of path) brush.lineTo(x, y);
    brush.closePath();
    brush.lineWidth = 1.5;
    brush.fillStyle = css(color, 0.1);
    brush.strokeStyle = css(color, 0.95);
    brush.setLineDash(op === "subtract" ? [5, 4] : []);
    brush.fill("evenodd");
    brush.stroke();
    brush.setLineDash([]);
  }

  ring([x, y], look, { radius, color: own, width: wide }) {
    const { brush } = this;
    brush.beginPath();
    brush.arc(x, y, radius, 0, 2 * Math.PI);
    for (const [color, width] of [[look.page, wide + 2.5], [own, wide]]) {
      brush.strokeStyle = css(color);
      brush.lineWidth = width;
      brush.stroke();
    }
  }
}

const css = (rgb, alpha = 1) => `rgb(${rgb.join(" ")} / ${alpha})`;
