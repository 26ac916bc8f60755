// Where a map looks: motions of its view, what is remembered of it, and maps that move together.

import { Address } from "./address.js";
import { clamp } from "./camera.js";

const GLIDE = 200; // ms
// The views of all maps on the page: those with the same link show the same part.
const shown = new Set();
// Views by coordinates: a page that is left and opened again looks as before.
const views = new Map();
// The view that the page's address named when it was opened, for the first map that asks.
let named = Address.read();
// The last place that each map was sent to: a re-run must not go there again.
const visited = new Map();

export class View {
  /** `on` has: jump(), the view is another one; step(), likewise, in a frame of a glide. */
  constructor(camera, on) {
    Object.assign(this, { camera, on, id: null, link: null });
    shown.add(this);
  }

  /** Shows other points, named `id`: as they were last seen, or as the address says, else all. */
  begin(id, extent, addressed) {
    const { camera } = this;
    this.id = id;
    camera.box = [0, 0, ...extent];
    camera.fit();
    if (views.has(id)) camera.view = views.get(id);
    if (!addressed) return;
    this.address ??= new Address({
      travelled: (view) => {
        this.stop();
        this.take(view);
        this.on.jump();
      },
    });
    if (named && !views.has(id)) this.take(named);
    named = null;
  }

  /** Shows a view that an address names, as { x, y, zoom }; null is the whole map. */
  take(view) {
    const { camera } = this;
    if (view) {
      const { x, y, zoom } = view;
      camera.view = { x, y, scale: camera.bounded(camera.home * zoom), fitted: false };
    } else camera.fit();
    this.keep();
  }

  /** The view has come to rest. */
  rest() {
    this.address?.say(this.camera);
  }

  /** Changes the camera by `change()`. */
  move(change) {
    this.stop();
    change();
    this.keep();
    this.lead();
    this.on.jump();
  }

  /** Moves the maps that are linked with this one; the server hears nothing of it. */
  lead() {
    if (!this.link) return;
    for (const view of shown) {
      if (view !== this && view.link === this.link) view.follow(this.camera);
    }
  }

  follow({ x, y, zoom, fitted }) {
    this.stop();
    this.camera.view = { x, y, scale: this.camera.home * zoom, fitted };
    this.keep();
    this.on.jump();
  }

  keep() {
    views.delete(this.id);
    views.set(this.id, this.camera.view);
    // Enough for the maps of one sitting.
    if (views.size > 16) views.delete(views.keys().next().value);
  }

  /** Moves to a view in a fifth of a second; at once for those who asked for less motion. */
  glide(goal, fitted = false) {
    this.stop();
    const { camera } = this;
    const from = camera.view;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const begun = performance.now();
    const step = () => {
      const t = still ? 1 : clamp((performance.now() - begun) / GLIDE, 0, 1);
      const eased = t * (2 - t);
      const scale = from.scale * (goal.scale / from.scale) ** eased;
      // The centre moves so that the point between the two views that stays put, stays put.
      const share =
        goal.scale === from.scale
          ? eased
          : (1 / from.scale - 1 / scale) / (1 / from.scale - 1 / goal.scale);
      camera.x = from.x + (goal.x - from.x) * share;
      camera.y = from.y + (goal.y - from.y) * share;
      camera.scale = scale;
      camera.fitted = t === 1 && fitted;
      this.lead();
      this.on.step();
      if (t < 1) this.gliding = requestAnimationFrame(step);
      else this.keep();
    };
    step();
  }

  /** Glides to the whole map. */
  fit() {
    this.glide(this.camera.framing(this.camera.box), true);
  }

  /** Glides to a box [x0, y0, x1, y1] of the unit square, with room around it. */
  goTo(box) {
    const goal = this.camera.framing(box, { side: 120, top: 120, bottom: 120 });
    this.glide({ ...goal, scale: this.camera.bounded(goal.scale) });
  }

  /** Goes to the place that the page names, once. */
  visit({ name, focus }) {
    if (!focus || visited.get(name) === focus.id) return;
    visited.set(name, focus.id);
    this.goTo(focus.box);
  }

  zoomBy(factor) {
    const { x, y, scale } = this.camera;
    this.glide({ x, y, scale: this.camera.bounded(scale * factor) });
  }

  stop() {
    cancelAnimationFrame(this.gliding);
  }

  dispose() {
    this.stop();
    this.address?.dispose();
    shown.delete(this);
  }
}
