/** Marks above the map: the outline that is drawn, the photo in focus, and a larger picture of the photo under the pointer. */

/** @import {Point} from "./gestures.js" */

const SVG = "http://www.w3.org/2000/svg";
const FIRST = 6; // CSS pixels of the first corner's radius: a click on it closes a polygon
const TIP = 200; // CSS pixels of the larger picture, with its text

export class Overlay {
  /** @param {HTMLElement} box */
  constructor(box) {
    this.box = box;
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("aria-hidden", "true");
    drawing.setAttribute("class", "marks");
    this.outline = document.createElementNS(SVG, "path");
    this.outline.setAttribute("class", "outline");
    this.focus = document.createElementNS(SVG, "rect");
    this.focus.setAttribute("class", "focus");
    this.focus.setAttribute("rx", "4");
    drawing.append(this.outline, this.focus);
    this.tip = document.createElement("figure");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true");
    this.picture = document.createElement("img");
    this.picture.alt = "";
    this.caption = document.createElement("figcaption");
    this.tip.append(this.picture, this.caption);
    box.append(drawing, this.tip);
    /** Address of the larger picture. */
    this.address = "";
  }

  /**
   * Show an outline; none without corners.
   * @param {Point[]} corners
   * @param {boolean} isOpen true while corners are added one by one
   */
  trace(corners, isOpen) {
    const line = corners.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const circle = (/** @type {Point} */ [x, y], /** @type {number} */ radius) =>
      `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0-${2 * radius} 0`;
    const dots = isOpen ? corners.map((corner, index) => circle(corner, index === 0 ? FIRST : 3)).join("") : "";
    this.outline.setAttribute("d", line === "" ? "" : `M${line}${isOpen ? "" : "Z"}${dots}`);
  }

  /**
   * Show where the photo in focus is; null without one.
   * @param {{at: Point, extent: [number, number]} | null} photo
   */
  mark(photo) {
    this.focus.toggleAttribute("hidden", photo === null);
    if (photo === null) return;
    const [wide, high] = photo.extent.map((half) => half + 5);
    const place = {
      x: photo.at[0] - (wide ?? 0),
      y: photo.at[1] - (high ?? 0),
      width: 2 * (wide ?? 0),
      height: 2 * (high ?? 0),
    };
    for (const [name, value] of Object.entries(place)) this.focus.setAttribute(name, value.toFixed(1));
  }

  /**
   * Show a photo larger, beside a point and within the map; null hides it.
   * @param {{address: string, text: string, at: Point} | null} photo
   */
  show(photo) {
    this.tip.hidden = photo === null;
    if (photo === null) return;
    if (photo.address !== this.address) {
      this.address = photo.address;
      this.picture.src = photo.address;
    }
    this.caption.textContent = photo.text;
    const { clientWidth, clientHeight } = this.box;
    const [x, y] = photo.at;
    const left = x + TIP + 24 > clientWidth ? x - TIP - 20 : x + 20;
    this.tip.style.left = `${Math.max(4, left)}px`;
    this.tip.style.top = `${Math.max(4, Math.min(y - TIP / 2, clientHeight - TIP - 44))}px`;
  }
}
