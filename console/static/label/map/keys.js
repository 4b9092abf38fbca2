/** Keys of the map. They act while the map has the focus; letters can be switched off with those of the page. */

/** @import {Mode} from "./gestures.js" */

const SWITCH = "shopcat.label.keys"; // of the page, see workspace.js

/** Keys and what they do, for the help. @type {[string, string][]} */
export const KEYS = [
  ["← →", "show another layer"],
  ["↑ ↓", "show another projection"],
  ["Shift and an arrow", "go to the neighbour photo in that direction"],
  ["x", "select or deselect the photo in focus"],
  ["] [", "grow the selection by the nearest photos, shrink it"],
  ["Enter", "review the selection; while you draw a polygon, close it"],
  ["Backspace, Esc", "remove the last corner of a polygon, give the outline up"],
  ["Ctrl+A", "select all photos in view"],
  ["m l b p", "move, lasso, box (rectangle), polygon"],
  ["+ −, Home", "zoom in and out, show the whole map; so do the wheel, two fingers and a double click"],
  ["Shift, Alt", "while you draw or click: add to the selection, take from it"],
  ["s", "shuffle: show other photos as pictures"],
];

/** @type {Record<string, Mode>} */
const MODES = { m: "move", l: "lasso", b: "rectangle", p: "polygon" };
/** Direction of an arrow: to the right, and up. @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * Actions of the keys.
 * @typedef {object} KeyActions
 * @property {(by: number) => void} layer
 * @property {(by: number) => void} projection
 * @property {(right: number, up: number) => void} walk
 * @property {() => void} toggle
 * @property {() => void} preview
 * @property {(direction: 1 | -1) => void} resize
 * @property {() => void} enter
 * @property {(factor: number) => void} zoomBy
 * @property {() => void} showAll
 * @property {(mode: Mode) => void} setMode
 * @property {() => void} selectView
 * @property {() => void} shuffle
 * @property {() => void} back
 * @property {() => void} cancel
 */

/**
 * Do what a key says, and return true if it says something.
 * @param {KeyboardEvent} event
 * @param {KeyActions} actions
 */
export function press(event, actions) {
  const { key } = event;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "a") {
    actions.selectView();
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const [right, up] = ARROWS[key] ?? [0, 0];
  if (key in ARROWS && event.shiftKey) actions.walk(right, up);
  else if (right !== 0) actions.layer(right);
  else if (up !== 0) actions.projection(-up);
  else if (key === " ") actions.preview();
  else if (key === "Enter") actions.enter();
  else if (key === "Escape") actions.cancel();
  else if (key === "Backspace") actions.back();
  else if (key === "Home") actions.showAll();
  else if (key.length === 1 && localStorage.getItem(SWITCH) !== "off") return pressLetter(key.toLowerCase(), actions);
  else return false;
  return true;
}

/**
 * @param {string} key
 * @param {KeyActions} actions
 */
function pressLetter(key, actions) {
  const mode = MODES[key];
  if (mode !== undefined) actions.setMode(mode);
  else if (key === "+" || key === "=") actions.zoomBy(1.5);
  else if (key === "-") actions.zoomBy(1 / 1.5);
  else if (key === "]" || key === "[") actions.resize(key === "]" ? 1 : -1);
  else if (key === "x") actions.toggle();
  else if (key === "s") actions.shuffle();
  else return false;
  return true;
}
