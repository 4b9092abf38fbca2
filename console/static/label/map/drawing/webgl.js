/** Dots and pictures by WebGL 2. A glide changes one uniform a frame, and so does every pan. */

import { BADGE, BORDERS, INNER, OUTER, PICTURE, RINGED, SIZES } from "./frame.js";
import { BYTES } from "./marks.js";
import { drawMasks, N_SHAPES, SIDE } from "./masks.js";
import { ACROSS, SQUARE } from "./sheet.js";

/** @import {Frame, Renderer} from "./frame.js" */
/** @import {Sheet} from "./sheet.js" */

const float = (/** @type {number} */ value) => value.toFixed(2);
/** Return an expression that chooses a number by the kind of a mark. @param {number[]} values */
const byKind = ([plain = 0, predicted = 0, labelled = 0]) =>
  `(mark.y > 1.5 ? ${float(labelled)} : mark.y > .5 ? ${float(predicted)} : ${float(plain)})`;
const SHARED = `#version 300 es
precision highp float;
uniform vec2 centre, scale, pixels;
uniform float glide, ratio, size;
uniform vec3 ink, card, unsure;
uniform highp sampler2DArray shapes;
`;
const DOTS = `${SHARED}
in vec2 before, after;
in vec4 colour, mark;
flat out vec4 look;
flat out vec4 marked;
flat out vec2 grown;
void main() {
  look = colour;
  marked = mark;
  float dot = size * ratio * ${byKind(SIZES)};
  grown.y = mark.z > 1.5 ? dot + ${float(2 * (OUTER + INNER))} * ratio : mark.z > .5 ? dot * ${float(RINGED)} : dot;
  grown.x = grown.y / dot;
  gl_PointSize = grown.y;
  gl_Position = vec4((mix(before, after, glide) - centre) * scale, 0., 1.);
}`;
const DOT = `${SHARED}
flat in vec4 look;
flat in vec4 marked;
flat in vec2 grown;
out vec4 result;
void main() {
  vec2 place = (gl_PointCoord - .5) * grown.x + .5;
  bool isIn = all(lessThan(abs(place - .5), vec2(.5)));
  vec2 cover = isIn ? texture(shapes, vec3(place, marked.x)).rg : vec2(0.);
  float inside = marked.y > 1.5 ? cover.r : marked.y > .5 ? cover.r * .35 : cover.r * .8;
  float edge = marked.y > .5 ? cover.g : 0.;
  vec3 line = marked.y > 1.5 ? ink : look.rgb;
  result = mix(vec4(look.rgb, 1.) * inside, vec4(line, 1.), edge) * look.a;
  float away = length(gl_PointCoord - .5) * grown.y;
  if (marked.z > 1.5) {
    float depth = grown.y * .5 - away;
    result += vec4(card, 1.) * (1. - result.a) * clamp(depth, 0., 1.);
    result = mix(result, vec4(ink, 1.) * clamp(depth, 0., 1.), clamp(${float(OUTER)} * ratio - depth + .5, 0., 1.));
  } else if (marked.z > .5)
    result = mix(result, vec4(unsure, 1.), clamp(.5 * ratio + .5 - abs(away - grown.y * .4), 0., 1.));
}`;
const PICTURES = `${SHARED}
in vec4 places, quad, colour, mark;
out vec2 within, square;
flat out vec4 look;
flat out vec4 marked;
flat out vec2 extent;
flat out float border;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2. - 1.;
  extent = quad.xy;
  within = vec2(corner.x + 1., 1. - corner.y) * quad.xy;
  square = (quad.zw + vec2(corner.x, -corner.y) * quad.xy / max(quad.x, quad.y) * ${SQUARE / 2}.) / ${ACROSS * SQUARE}.;
  look = colour;
  marked = mark;
  border = mark.z > 1.5 ? ${float(OUTER + INNER)} : ${byKind(BORDERS)};
  vec2 place = (mix(places.xy, places.zw, glide) - centre) * scale;
  gl_Position = vec4(place + corner * quad.xy * 2. / pixels, 0., 1.);
}`;
const PHOTO = `${SHARED}
uniform sampler2D sheet;
in vec2 within, square;
flat in vec4 look;
flat in vec4 marked;
flat in vec2 extent;
flat in float border;
out vec4 result;
void main() {
  vec4 photo = texture(sheet, square);
  result = vec4(mix(card, photo.rgb, photo.a), 1.);
  float depth = min(min(within.x, extent.x * 2. - within.x), min(within.y, extent.y * 2. - within.y));
  bool isChosen = marked.z > 1.5;
  if (depth < border) result.rgb = isChosen ? depth < ${float(OUTER)} ? ink : card : marked.y > .5 ? look.rgb : card;
  vec2 sign = (within - border) / ${BADGE}.;
  if (marked.y > .5 && all(lessThan(abs(sign - .5), vec2(.5)))) {
    vec2 cover = texture(shapes, vec3(sign, marked.x)).rg;
    result.rgb = mix(mix(result.rgb, marked.y > 1.5 ? look.rgb : mix(card, look.rgb, .35), cover.r),
                     marked.y > 1.5 ? ink : look.rgb, cover.g);
  }
  if (marked.z > .5 && !isChosen && abs(depth - border - 1.5) < .75) result.rgb = unsure;
  result *= look.a;
}`;

/** @implements {Renderer} */
export class WebglRenderer {
  /** @type {"webgl"} */
  kind = "webgl";

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {WebGL2RenderingContext} gl
   * @param {Sheet} sheet
   */
  constructor(canvas, gl, sheet) {
    this.canvas = canvas;
    this.gl = gl;
    this.sheet = sheet;
    this.dots = new Program(gl, DOTS, DOT);
    this.photos = new Program(gl, PICTURES, PHOTO);
    const buffer = () => /** @type {WebGLBuffer} */ (gl.createBuffer());
    this.buffers = { before: buffer(), after: buffer(), marks: buffer(), order: buffer(), pictures: buffer() };
    this.dots.point([
      ["before", this.buffers.before, 2, gl.FLOAT, 0, 0],
      ["after", this.buffers.after, 2, gl.FLOAT, 0, 0],
      ["colour", this.buffers.marks, 4, gl.UNSIGNED_BYTE, BYTES, 0],
      ["mark", this.buffers.marks, 4, gl.UNSIGNED_BYTE, BYTES, 4],
    ]);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.order);
    const [stride, divisor] = [4 * PICTURE, 1];
    this.photos.point([
      ["places", this.buffers.pictures, 4, gl.FLOAT, stride, 0, divisor],
      ["quad", this.buffers.pictures, 4, gl.FLOAT, stride, 16, divisor],
      ["colour", this.buffers.pictures, 4, gl.FLOAT, stride, 32, divisor],
      ["mark", this.buffers.pictures, 4, gl.FLOAT, stride, 48, divisor],
    ]);
    gl.bindVertexArray(null);
    this.textures = this.loadTextures();
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  loadTextures() {
    const { gl } = this;
    const [masks, squares] = [gl.createTexture(), gl.createTexture()];
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, masks);
    gl.texImage3D(gl.TEXTURE_2D_ARRAY, 0, gl.RG8, SIDE, SIDE, N_SHAPES, 0, gl.RG, gl.UNSIGNED_BYTE, drawMasks());
    gl.generateMipmap(gl.TEXTURE_2D_ARRAY);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_NEAREST);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, squares);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, ACROSS * SQUARE, ACROSS * SQUARE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    this.sheet.touch();
    return [masks, squares];
  }

  /** @param {{from: Float32Array, to: Float32Array}} places */
  setPlaces({ from, to }) {
    this.fill(this.buffers.before, from);
    this.fill(this.buffers.after, to);
  }

  /** @param {Uint8Array} marks */
  setMarks(marks) {
    this.fill(this.buffers.marks, marks);
  }

  /** @param {Uint32Array} rows */
  setOrder(rows) {
    const { gl } = this;
    gl.bindVertexArray(this.dots.vertices);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, rows, gl.DYNAMIC_DRAW);
    gl.bindVertexArray(null);
  }

  /** @param {Float32Array} pictures */
  setPictures(pictures) {
    this.fill(this.buffers.pictures, pictures);
  }

  /**
   * @param {WebGLBuffer} buffer
   * @param {Float32Array | Uint8Array} content
   */
  fill(buffer, content) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, content, gl.DYNAMIC_DRAW);
  }

  /** @param {Frame} frame */
  draw(frame) {
    const { gl, canvas } = this;
    gl.activeTexture(gl.TEXTURE1);
    for (const { top, pixels } of this.sheet.changes())
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, top, ACROSS * SQUARE, SQUARE, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.dots.use(frame);
    for (const [first, count] of frame.ranges)
      if (count > 0) gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 4 * first);
    if (frame.pictures > 0) {
      this.photos.use(frame);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, frame.pictures);
    }
    gl.bindVertexArray(null);
  }

  /** Free the memory at once; the context itself goes with the canvas. */
  close() {
    const { gl, canvas } = this;
    for (const buffer of Object.values(this.buffers)) gl.deleteBuffer(buffer);
    for (const texture of this.textures) gl.deleteTexture(texture);
    canvas.width = 1;
    canvas.height = 1;
  }
}

/** A pair of shaders with the arrangement of its attributes. */
class Program {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {string} vertices
   * @param {string} fragments
   */
  constructor(gl, vertices, fragments) {
    this.gl = gl;
    const program = /** @type {WebGLProgram} */ (gl.createProgram());
    for (const [type, source] of /** @type {const} */ ([
      [gl.VERTEX_SHADER, vertices],
      [gl.FRAGMENT_SHADER, fragments],
    ])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(type));
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = gl.getAttachedShaders(program)?.map((shader) => gl.getShaderInfoLog(shader));
      throw new Error(`the map's shaders don't compile: ${[...(logs ?? []), gl.getProgramInfoLog(program)].join(" ")}`);
    }
    this.program = program;
    this.vertices = gl.createVertexArray();
  }

  /** @param {[string, WebGLBuffer, number, number, number, number, number?][]} attributes */
  point(attributes) {
    const { gl, program } = this;
    gl.bindVertexArray(this.vertices);
    for (const [name, buffer, count, type, stride, offset, divisor] of attributes) {
      const place = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      // Bytes of a colour are shares, those of a mark are numbers.
      gl.vertexAttribPointer(place, count, type, name === "colour", stride, offset);
      if (divisor) gl.vertexAttribDivisor(place, divisor);
    }
  }

  /** @param {Frame} frame */
  use({ view, ratio, glide, size, theme }) {
    const { gl, program } = this;
    const at = (/** @type {string} */ name) => gl.getUniformLocation(program, name);
    gl.useProgram(program);
    gl.bindVertexArray(this.vertices);
    gl.uniform2f(at("centre"), view.place.x, view.place.y);
    gl.uniform2f(at("scale"), (2 * view.scale) / view.width, (2 * view.scale) / view.height);
    gl.uniform2f(at("pixels"), view.width, view.height);
    gl.uniform1f(at("glide"), glide);
    gl.uniform1f(at("ratio"), ratio);
    gl.uniform1f(at("size"), size);
    for (const name of /** @type {const} */ (["ink", "card", "unsure"]))
      gl.uniform3fv(
        at(name),
        theme[name].map((value) => value / 255),
      );
    gl.uniform1i(at("shapes"), 0);
    gl.uniform1i(at("sheet"), 1);
  }
}
