/** Pointers, wheel and keys on a map, as calls of the map's actions. */

/** @typedef {"move" | "lasso" | "rectangle" | "polygon"} Mode */
/** @typedef {"replace" | "add" | "remove"} Change */
/** @typedef {[number, number]} Point in CSS pixels, from the upper left corner */

/**
 * Actions of a map.
 * @typedef {object} Actions
 * @property {() => Mode} mode
 * @property {(right: number, down: number) => void} pan
 * @property {(factor: number, at: Point) => void} zoom
 * @property {(at: Point, change: Change | null, reach: number) => void} pick choose the photo at a point; null without a modifier
 * @property {(corners: Point[], change: Change | null) => void} enclose choose the photos in a polygon
 * @property {(corners: Point[], isOpen: boolean) => void} trace show the outline that is drawn; none without corners
 * @property {(at: Point | null) => void} hover
 */

const STILL = 5; // pixels that a finger may move in a click
const [REACH, TOUCH_REACH] = [12, 22]; // pixels from a dot that a click may be
const APART = 3; // pixels between two corners of a lasso
const TWICE = 350; // milliseconds between the clicks of a double click

export class Gestures {
  /**
   * @param {HTMLElement} box
   * @param {Actions} actions
   */
  constructor(box, actions) {
    this.box = box;
    this.actions = actions;
    /** Pointers that are down, by their number. @type {Map<number, Point>} */
    this.down = new Map();
    /** Corners of the outline that is drawn. @type {Point[]} */
    this.corners = [];
    /** Point where the pointer went down; null if it is no click any more. @type {Point | null} */
    this.start = null;
    this.clicked = { time: 0, at: /** @type {Point} */ ([0, 0]) };
    for (const [type, run] of /** @type {[string, (event: any) => void][]} */ ([
      ["pointerdown", this.onDown],
      ["pointermove", this.onMove],
      ["pointerup", this.onUp],
      ["pointercancel", this.onCancel],
      ["pointerleave", () => actions.hover(null)],
      ["wheel", this.onWheel],
    ]))
      box.addEventListener(type, run.bind(this), { passive: false });
  }

  /**
   * @param {MouseEvent} event
   * @returns {Point}
   */
  pointOf(event) {
    const { left, top } = this.box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    if (event.button !== 0) return;
    this.box.focus({ preventScroll: true });
    event.preventDefault(); // of a selection of text
    this.box.setPointerCapture(event.pointerId);
    const at = this.pointOf(event);
    this.down.set(event.pointerId, at);
    this.actions.hover(null);
    if (this.down.size > 1) {
      this.start = null;
      if (this.actions.mode() !== "polygon") this.cancel();
      return;
    }
    this.start = at;
    if (this.actions.mode() === "lasso" || this.actions.mode() === "rectangle") this.corners = [at];
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    const at = this.pointOf(event);
    const before = this.down.get(event.pointerId);
    if (before === undefined) {
      if (this.actions.mode() === "polygon" && this.corners.length > 0) this.actions.trace([...this.corners, at], true);
      else if (event.pointerType === "mouse") this.actions.hover(at);
      return;
    }
    if (this.down.size > 1) {
      this.pinch(event.pointerId, before, at);
      return;
    }
    if (this.start !== null && apart(this.start, at) < STILL) return;
    this.down.set(event.pointerId, at);
    const mode = this.actions.mode();
    if (mode === "move" || mode === "polygon") this.actions.pan(at[0] - before[0], at[1] - before[1]);
    else if (mode === "rectangle") this.corners = rectangle(/** @type {Point} */ (this.corners[0]), at);
    else
      for (const moment of event.getCoalescedEvents?.() ?? [event]) {
        const point = this.pointOf(moment);
        if (apart(/** @type {Point} */ (this.corners.at(-1)), point) >= APART) this.corners.push(point);
      }
    this.start = null;
    if (mode === "lasso" || mode === "rectangle") this.actions.trace(this.corners, false);
  }

  /**
   * Zoom and pan by two fingers.
   * @param {number} pointer
   * @param {Point} before
   * @param {Point} at
   */
  pinch(pointer, before, at) {
    const other = [...this.down].find(([number]) => number !== pointer)?.[1] ?? at;
    this.down.set(pointer, at);
    const middle = (/** @type {Point} */ point) =>
      /** @type {Point} */ ([(point[0] + other[0]) / 2, (point[1] + other[1]) / 2]);
    const [from, to] = [middle(before), middle(at)];
    this.actions.pan(to[0] - from[0], to[1] - from[1]);
    this.actions.zoom(apart(at, other) / Math.max(1, apart(before, other)), to);
  }

  /** @param {PointerEvent} event */
  onUp(event) {
    if (!this.down.delete(event.pointerId) || this.down.size > 0) return;
    const at = this.pointOf(event);
    const mode = this.actions.mode();
    if (this.start !== null) this.click(event, this.start);
    else if ((mode === "lasso" || mode === "rectangle") && this.corners.length > 2) this.finish(changeOf(event));
    else if (mode !== "polygon") this.cancel();
    this.start = null;
    if (event.pointerType === "mouse") this.actions.hover(at);
  }

  onCancel() {
    this.down.clear();
    this.start = null;
    if (this.actions.mode() !== "polygon") this.cancel();
  }

  /**
   * @param {PointerEvent} event
   * @param {Point} at
   */
  click(event, at) {
    const isDouble = event.timeStamp - this.clicked.time < TWICE && apart(at, this.clicked.at) < 2 * STILL;
    this.clicked = { time: isDouble ? 0 : event.timeStamp, at };
    const reach = event.pointerType === "mouse" ? REACH : TOUCH_REACH;
    if (this.actions.mode() === "polygon") {
      const [first] = this.corners;
      const closes = isDouble || (first !== undefined && this.corners.length > 2 && apart(first, at) < reach);
      if (closes) return this.finish(changeOf(event));
      this.corners.push(at);
      return this.actions.trace(this.corners, true);
    }
    this.cancel();
    if (isDouble) return this.actions.zoom(event.shiftKey ? 0.5 : 2, at);
    this.actions.pick(at, changeOf(event), reach);
  }

  /**
   * Choose what the outline encloses.
   * @param {Change | null} change
   */
  finish(change = null) {
    const corners = this.corners;
    this.cancel();
    if (corners.length > 2) this.actions.enclose(corners, change);
  }

  /** Remove the last corner of a polygon. */
  back() {
    this.corners.pop();
    this.actions.trace(this.corners, true);
  }

  /** Give the outline up. */
  cancel() {
    this.corners = [];
    this.actions.trace([], false);
  }

  /** @param {WheelEvent} event */
  onWheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    // Browsers report a pinch on a touch pad as a wheel with Ctrl and small steps.
    const strength = event.ctrlKey ? 0.01 : 0.0022;
    this.actions.zoom(Math.exp(-Math.max(-300, Math.min(300, pixels)) * strength), this.pointOf(event));
  }
}

/**
 * Return how a gesture changes the selection; null without a modifier.
 * @param {{shiftKey: boolean, altKey: boolean}} event
 * @returns {Change | null}
 */
export const changeOf = ({ shiftKey, altKey }) => (altKey ? "remove" : shiftKey ? "add" : null);

/**
 * @param {Point} one
 * @param {Point} other
 */
const apart = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);

/**
 * @param {Point} from
 * @param {Point} to
 * @returns {Point[]}
 */
const rectangle = ([left, top], [right, bottom]) => [
  [left, top],
  [right, top],
  [right, bottom],
  [left, bottom],
];
