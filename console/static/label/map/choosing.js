/** Choosing photos on the map: by a point, by an outline, and from one photo to the next. */

import { count } from "../../shared/format.js";
import { centreOf, inPolygon, nearest, neighbourTowards, nextSize, pointOf, resized } from "./geometry.js";

/** @import {ProjectStore} from "../store.js" */
/** @import {Change, Point} from "./gestures.js" */
/** @import {Stage} from "./drawing/stage.js" */

export class Choosing {
  /**
   * @param {ProjectStore} store
   * @param {Stage} stage
   */
  constructor(store, stage) {
    this.store = store;
    this.stage = stage;
  }

  /**
   * Return the row at a point of the screen; -1 if there is none.
   * @param {Point} at
   * @param {number} reach pixels that a dot may be away
   */
  rowAt(at, reach) {
    const { view, to } = this.stage;
    const picture = this.stage.pictureAt(...at);
    return picture >= 0 ? picture : nearest(to, ...view.toMap(...at), reach / view.scale);
  }

  /**
   * Choose the photo at a point. Where there is none, nothing changes.
   * @param {Point} at
   * @param {Change} change
   * @param {number} reach
   */
  pick(at, change, reach) {
    const row = this.rowAt(at, reach);
    if (row < 0) return;
    this.store.setFocus(row);
    this.select([row], change);
  }

  /**
   * Choose the photos within an outline.
   * @param {Point[]} corners
   * @param {Change} change
   */
  enclose(corners, change) {
    const outline = corners.map((corner) => this.stage.view.toMap(...corner));
    this.select(inPolygon(this.stage.to, outline), change, "lasso");
  }

  /**
   * Choose all photos in view.
   * @param {Change} change
   */
  chooseView(change) {
    const { width, height } = this.stage.view;
    /** @type {Point[]} */
    const corners = [
      [0, 0],
      [width, 0],
      [width, height],
      [0, height],
    ];
    this.enclose(corners, change);
  }

  /** Choose the photo in focus, or no longer. */
  toggle() {
    const { focus } = this.store;
    if (focus === null) this.store.say("Go to a photo first: Shift and an arrow.", { until: ["selection"] });
    else this.select([focus], this.store.selection.has(focus) ? "remove" : "add");
  }

  /**
   * Put the focus on the neighbour in a direction, and keep it in view.
   * @param {number} right
   * @param {number} up
   */
  walk(right, up) {
    const { to, view } = this.stage;
    if (to.length === 0) return;
    const { focus } = this.store;
    const { x, y } = view.place;
    const row = focus === null ? nearest(to, x, y, Number.POSITIVE_INFINITY) : neighbourTowards(to, focus, right, up);
    if (row === focus)
      return this.store.say("There is no photo in this direction.", { until: ["selection", "projection"] });
    this.store.setFocus(row);
    this.stage.goTo(view.showing(...pointOf(to, row)));
    this.store.say(this.describe(row), { until: ["selection", "labels", "predictions"] });
  }

  /**
   * Grow the selection by the nearest photos to the one in focus, or shrink it.
   * @param {1 | -1} direction
   */
  resize(direction) {
    const { selection, focus } = this.store;
    const { to } = this.stage;
    if (selection.size === 0 && focus === null)
      return this.store.say("Choose a photo first.", { until: ["selection"] });
    const start = selection.size === 0 && focus !== null ? [focus] : selection;
    const centre =
      focus !== null && (selection.size === 0 || selection.has(focus)) ? pointOf(to, focus) : centreOf(to, start);
    const size = Math.min(to.length / 2, nextSize(selection.size, direction));
    this.select(resized(to, new Set(start), centre, size), "replace", "lasso");
  }

  /**
   * @param {number[]} rows
   * @param {Change} change
   * @param {string} how
   */
  select(rows, change, how = "click") {
    const { store } = this;
    store.select(rows, change);
    store.how = how;
    const [first] = rows;
    const name = how === "click" && first !== undefined ? `${this.describe(first)}. ` : "";
    store.say(`${name}${count(store.selection.size, "photo")} selected.`, {
      until: name === "" ? ["selection"] : ["selection", "labels", "predictions"],
    });
  }

  /** @param {number} row */
  describe(row) {
    const { photos, labels } = this.store;
    const label = labels[row] ?? -1;
    return `${photos[row]?.name ?? ""}, ${label < 0 ? this.guess(row) : this.store.nameOf(label)}`;
  }

  /** @param {number} row */
  guess(row) {
    const { predictions } = this.store;
    const label = predictions?.labels[row] ?? -1;
    if (label < 0) return "no label";
    return `perhaps ${this.store.nameOf(label)} (${Math.round(100 * (predictions?.confidence[row] ?? 0))} %)`;
  }
}
