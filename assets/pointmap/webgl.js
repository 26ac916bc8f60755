// Points by WebGL 2. One draw call; depth keeps lit rows above the others and dropped ones below.

const VERTEX = `#version 300 es
precision highp float;
in vec2 a_xy;
in uint a_group;
in uint a_flags;
uniform vec2 u_center, u_zoom, u_pixels;
uniform float u_size, u_litSize, u_alpha;
uniform int u_context;
uniform ivec2 u_range;
uniform vec3 u_page, u_grey, u_accent;
uniform sampler2D u_palette;
flat out vec3 v_color;
flat out float v_radius;
flat out float v_ring;
flat out float v_alpha;
void main() {
  bool lit = (a_flags & 1u) != 0u && u_context > 0;
  bool dropped = (a_flags & 2u) != 0u;
  int group = int(a_group);
  vec3 own = texelFetch(u_palette, ivec2(group & 255, group >> 8), 0).rgb;
  vec3 color = own;
  float size = u_size, depth = 0.5;
  if (u_context == 1 || u_context == 3) color = u_grey;
  if (u_context == 2) color = mix(u_page, own, 0.32);
  // Outside the range that is brushed on the legend.
  bool outside = u_range.x > 0 && (group < u_range.x || group > u_range.y);
  if (dropped || outside) { color = mix(u_page, u_grey, 0.45); size *= 0.85; depth = 0.9; }
  if (lit) { color = u_context == 1 ? u_accent : own; size = u_litSize; depth = 0.1; }
  // Small dots look crisp only if they sit on whole pixels.
  float diameter = max(1.0, floor(size + 0.5));
  vec2 pixel = ((a_xy - u_center) * u_zoom * 0.5 + 0.5) * u_pixels;
  float odd = mod(diameter, 2.0) * 0.5;
  pixel = floor(pixel - odd + 0.5) + odd;
  gl_Position = vec4(pixel / u_pixels * 2.0 - 1.0, depth * 2.0 - 1.0, 1.0);
  v_color = color;
  v_radius = diameter * 0.5;
  v_ring = lit && u_context != 2 ? 1.0 : 0.0;
  v_alpha = lit ? 1.0 : u_alpha;
  gl_PointSize = diameter + 2.0 * v_ring;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform vec3 u_page;
flat in vec3 v_color;
flat in float v_radius;
flat in float v_ring;
flat in float v_alpha;
out vec4 color;
void main() {
  float away = length(gl_PointCoord - 0.5) * 2.0 * (v_radius + v_ring);
  // Dots of up to two pixels are squares; larger ones lose their corners.
  float inner = clamp(v_radius - away + (v_radius < 1.2 ? 0.5 : 0.3), 0.0, 1.0);
  // A thin rim in the page's colour parts a lit point from those under it.
  float outer = v_ring > 0.5 ? clamp(v_radius + 1.0 - away, 0.0, 1.0) : inner;
  if (outer < 0.08) discard;
  float alpha = outer * v_alpha;
  color = vec4(mix(u_page, v_color, v_ring > 0.5 ? inner : 1.0), alpha);
}`;

const CONTEXTS = { grey: 1, dim: 2, parts: 3 };

export class WebglPoints {
  /** Throws if the browser has no WebGL 2. */
  constructor(canvas) {
    this.canvas = canvas;
    this.name = "webgl";
    const gl = canvas.getContext("webgl2", {
      // Without alpha the page does not have to be blended with the map.
      alpha: false,
      antialias: false,
      depth: true,
      // A slow machine draws part after part, over what it drew before.
      preserveDrawingBuffer: true,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("WebGL 2 is not available");
    this.gl = gl;
    this.build();
  }

  build() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    for (const [place, name] of ["a_xy", "a_group", "a_flags"].entries()) {
      gl.bindAttribLocation(program, place, name);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      throw new Error(gl.getProgramInfoLog(program) || "WebGL context lost");
    }
    this.program = program;
    this.at = {};
    const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS);
    for (let i = 0; i < count; i++) {
      const { name } = gl.getActiveUniform(program, i);
      this.at[name] = gl.getUniformLocation(program, name);
    }
    this.arrays = gl.createVertexArray();
    this.buffers = [gl.createBuffer(), gl.createBuffer(), gl.createBuffer()];
    this.litRows = gl.createBuffer();
    this.palette = gl.createTexture();
    this.ids = {};
  }

  /** Uploads what changed, by id. Returns how many arrays that were. */
  upload({ xy, group, flags, palette }) {
    const { gl } = this;
    let sent = 0;
    gl.bindVertexArray(this.arrays);
    for (const [place, part] of [xy, group, flags].entries()) {
      if (this.ids[place] === part.id) continue;
      this.ids[place] = part.id;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[place]);
      gl.bufferData(gl.ARRAY_BUFFER, part.array, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(place);
      const type = part.array.BYTES_PER_ELEMENT === 2 ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE;
      if (place === 0) gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0);
      else gl.vertexAttribIPointer(place, 1, type, 0, 0);
      sent += 1;
    }
    if (this.ids.lit !== flags.id) {
      this.ids.lit = flags.id;
      const lit = flags.array.reduce((sum, bits) => sum + (bits & 1), 0);
      const rows = new Uint32Array(lit);
      for (let i = 0, k = 0; k < lit; i++) if (flags.array[i] & 1) rows[k++] = i;
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.litRows);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, rows, gl.STATIC_DRAW);
      this.lit = lit;
      this.flagged = flags.array.length;
    }
    gl.bindVertexArray(null);
    if (this.ids.palette !== palette.id) {
      this.ids.palette = palette.id;
      const rows = Math.ceil(palette.array.length / 3 / 256);
      const texels = new Uint8Array(rows * 256 * 4).fill(255);
      for (let i = 0; i < palette.array.length / 3; i++) {
        texels.set(palette.array.subarray(3 * i, 3 * i + 3), 4 * i);
      }
      gl.bindTexture(gl.TEXTURE_2D, this.palette);
      gl.texImage2D(
        gl.TEXTURE_2D, 0, gl.RGBA8, 256, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels,
      );
      for (const edge of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
        gl.texParameteri(gl.TEXTURE_2D, edge, gl.NEAREST);
      }
    }
    return sent;
  }

  draw(camera, look) {
    const { gl, canvas, at } = this;
    if (gl.isContextLost()) return;
    const ratio = canvas.width / camera.width;
    gl.viewport(0, 0, canvas.width, canvas.height);
    if (!look.from) {
      gl.clearColor(...look.page.map((value) => value / 255), 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.useProgram(this.program);
    gl.uniform2f(at.u_center, camera.x, camera.y);
    const zoom = 2 * camera.scale;
    gl.uniform2f(at.u_zoom, zoom / camera.width, zoom / camera.height);
    gl.uniform2f(at.u_pixels, canvas.width, canvas.height);
    gl.uniform1f(at.u_size, look.size * ratio);
    gl.uniform1f(at.u_litSize, look.litSize * ratio);
    gl.uniform1f(at.u_alpha, look.alpha);
    gl.uniform1i(at.u_context, CONTEXTS[look.context] ?? 0);
    gl.uniform2i(at.u_range, ...(look.range ?? [0, 0]));
    for (const name of ["page", "grey", "accent"]) {
      gl.uniform3f(at[`u_${name}`], ...look[name].map((value) => value / 255));
    }
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.bindVertexArray(this.arrays);
    gl.drawArrays(gl.POINTS, look.from, look.to - look.from);
    // A part of the points is enough to begin with, but none of the lit ones may blink.
    if (look.context && !look.from && look.to < this.flagged) {
      gl.drawElements(gl.POINTS, this.lit, gl.UNSIGNED_INT, 0);
    }
    gl.bindVertexArray(null);
  }

  /** What says whether all that was drawn up to now is on the canvas. */
  fence() {
    const { gl } = this;
    const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    return () => {
      if (sync && !gl.isContextLost() && gl.clientWaitSync(sync, 0, 0) === gl.TIMEOUT_EXPIRED) {
        return false;
      }
      gl.deleteSync(sync);
      return true;
    };
  }

  dispose() {
    const { gl } = this;
    gl.deleteVertexArray(this.arrays);
    for (const buffer of [...this.buffers, this.litRows]) gl.deleteBuffer(buffer);
    gl.deleteTexture(this.palette);
    gl.deleteProgram(this.program);
    // A browser keeps few contexts; this one is not left to the garbage collector.
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
