/** The part of a map that is in view: pan and zoom. A map has x and y from -1 to 1, and y goes up. */

/** @typedef {{x: number, y: number, zoom: number}} Place centre of the view, and zoom; 1 shows the whole map */

const MARGIN = 0.94; // share of the shorter side that a whole map takes
const [LEAST, MOST] = [0.5, 400];

/** @type {Place} */
export const WHOLE = { x: 0, y: 0, zoom: 1 };

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * Return a place within the map and the range of zoom.
 * @param {Place} place
 * @returns {Place}
 */
export const within = ({ x, y, zoom }) => ({
  x: clamp(x, -1.2, 1.2),
  y: clamp(y, -1.2, 1.2),
  zoom: clamp(zoom, LEAST, MOST),
});

/**
 * Return a place as a text for the address; "" for the whole map.
 * @param {Place} place
 */
export function placeText({ x, y, zoom }) {
  const [across, up, times] = [x, y, zoom].map((value) => Number(value.toFixed(3)));
  return across === 0 && up === 0 && times === 1 ? "" : `${across},${up},${times}`;
}

/**
 * Return the place of a text; the whole map if it is none.
 * @param {string | null | undefined} text
 * @returns {Place}
 */
export function parsePlace(text) {
  const [x = Number.NaN, y = Number.NaN, zoom = Number.NaN] = (text ?? "").split(",").map(Number);
  return [x, y, zoom].every(Number.isFinite) && zoom > 0 ? within({ x, y, zoom }) : WHOLE;
}

/** Pan and zoom of a canvas. Lengths on the screen are in CSS pixels, from the upper left corner. */
export class View {
  /**
   * @param {Place} place
   * @param {number} width
   * @param {number} height
   */
  constructor(place, width, height) {
    this.place = place;
    this.width = width;
    this.height = height;
  }

  /** Pixels of a unit of the map. */
  get scale() {
    return (MARGIN * this.place.zoom * Math.min(this.width, this.height)) / 2;
  }

  /**
   * Return the point of the screen where a point of the map is.
   * @param {number} x
   * @param {number} y
   * @returns {[number, number]}
   */
  toScreen(x, y) {
    const { scale, place } = this;
    return [this.width / 2 + (x - place.x) * scale, this.height / 2 - (y - place.y) * scale];
  }

  /**
   * Return the point of the map at a point of the screen.
   * @param {number} left
   * @param {number} top
   * @returns {[number, number]}
   */
  toMap(left, top) {
    const { scale, place } = this;
    return [place.x + (left - this.width / 2) / scale, place.y - (top - this.height / 2) / scale];
  }

  /**
   * Return the place after the map was dragged by some pixels.
   * @param {number} right
   * @param {number} down
   */
  panned(right, down) {
    const { scale, place } = this;
    return within({ ...place, x: place.x - right / scale, y: place.y + down / scale });
  }

  /**
   * Return the place after zooming, where a point of the screen stays on the same point of the map.
   * @param {number} factor
   * @param {number} left
   * @param {number} top
   */
  zoomed(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toMap(left, top);
    const { zoom } = within({ ...this.place, zoom: this.place.zoom * factor });
    const part = 1 - this.place.zoom / zoom;
    return within({ x: this.place.x + (x - this.place.x) * part, y: this.place.y + (y - this.place.y) * part, zoom });
  }

  /**
   * Return the place that has a point of the map in view, with the least movement.
   * @param {number} x
   * @param {number} y
   * @param {number} edge pixels that the point keeps from the edges
   */
  showing(x, y, edge = 60) {
    const [left, top] = this.toScreen(x, y);
    const right = clamp(left, Math.min(edge, this.width / 2), Math.max(this.width - edge, this.width / 2)) - left;
    const down = clamp(top, Math.min(edge, this.height / 2), Math.max(this.height - edge, this.height / 2)) - top;
    return this.panned(right, down);
  }
}
