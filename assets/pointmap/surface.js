// What a map is drawn on: canvases, by WebGL or without, as large and as sharp as they are seen.

import { Ink } from "./ink.js";
import { RasterPoints } from "./raster.js";
import { WebglPoints } from "./webgl.js";

export class Surface {
  /**
   * `on` has: emptied(), everything must be drawn at once; restored(), the points must be
   * uploaded again; full(), full screen was entered or left.
   */
  constructor(root, camera, on) {
    Object.assign(this, { root, camera, on });
    this.points = this.renderer(root.querySelector(".points"));
    this.ink = new Ink(root.querySelector(".ink"));
    this.resizer = new ResizeObserver(() => this.settle());
    this.resizer.observe(root);
    // Also when only the pixel density changed: the window went to another screen.
    this.onWindow = () => {
      this.stretch();
      this.settle();
    };
    window.addEventListener("resize", this.onWindow);
    root.addEventListener("fullscreenchange", () => {
      on.full();
      this.onWindow();
    });
  }

  renderer(canvas) {
    let points;
    try {
      points = new WebglPoints(canvas);
      canvas.addEventListener("webglcontextlost", (event) => {
        event.preventDefault();
        this.root.dataset.context = "lost";
      });
      canvas.addEventListener("webglcontextrestored", () => {
        if (this.disposed) return;
        this.points.build();
        this.root.dataset.context = "restored";
        this.on.restored();
      });
    } catch {
      // A canvas that was asked for WebGL gives no other context.
      const fresh = canvas.cloneNode();
      canvas.replaceWith(fresh);
      points = new RasterPoints(fresh);
    }
    this.root.dataset.renderer = points.name;
    return points;
  }

  /** With `data-fill`, the map reaches down to the bottom of the window. */
  stretch() {
    if (!("fill" in this.root.dataset) || this.isFull) return;
    const host = this.root.getRootNode().host ?? this.root;
    const page = host.closest('[data-testid="stMain"]');
    const block = host.closest('[data-testid="stMainBlockContainer"]');
    const below = block ? parseFloat(getComputedStyle(block).paddingBottom) : 16;
    const top = this.root.getBoundingClientRect().top + (page?.scrollTop ?? 0);
    const height = Math.max(Math.floor(window.innerHeight - top - Math.min(below, 48)), 420);
    this.root.style.setProperty("--map-height", `${height}px`);
  }

  /** Fits the canvases to the element; true if that emptied them. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.root;
    // More than two device pixels a CSS pixel costs four times the work and is not seen.
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    const { canvas } = this.points;
    if (!across || !down || (canvas.width === across && canvas.height === down)) return false;
    canvas.width = this.ink.canvas.width = across;
    canvas.height = this.ink.canvas.height = down;
    this.camera.resize(width, height);
    return true;
  }

  /** A resized canvas is empty until it is drawn: at once, not a frame later. */
  settle() {
    if (this.resize()) this.on.emptied();
  }

  get isFull() {
    return this.root.getRootNode().fullscreenElement === this.root;
  }

  /** Enters or leaves full screen; true, as a key that was used. */
  fullscreen() {
    // Refused without a person's gesture, or by the page that this one is framed in.
    const done = this.isFull ? document.exitFullscreen() : this.root.requestFullscreen?.();
    done?.catch(() => {});
    return true;
  }

  dispose() {
    this.disposed = true;
    this.resizer.disconnect();
    window.removeEventListener("resize", this.onWindow);
    this.points.dispose();
  }
}
