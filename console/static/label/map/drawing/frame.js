/**
 * What a renderer draws. Two renderers have this interface: `WebglRenderer` and `CanvasRenderer`.
 *
 * @typedef {object} Renderer
 * @property {"webgl" | "canvas"} kind
 * @property {(places: {from: Float32Array, to: Float32Array}) => void} setPlaces places before and after a glide
 * @property {(marks: Uint8Array) => void} setMarks looks of the dots, see marks.js
 * @property {(rows: Uint32Array) => void} setOrder rows in the order to draw
 * @property {(pictures: Float32Array) => void} setPictures pictures, see `PICTURE`
 * @property {(frame: Frame) => void} draw
 * @property {() => void} close
 *
 * @typedef {object} Frame
 * @property {import("../view.js").View} view
 * @property {number} ratio pixels of the canvas in a CSS pixel
 * @property {number} glide share of the way between the two places, from 0 to 1
 * @property {[number, number][]} ranges first row and number of rows of each part of the order that is drawn
 * @property {number} size CSS pixels of a dot
 * @property {number} pictures number of pictures that are drawn
 * @property {Theme} theme
 *
 * Colours of the page, from 0 to 255.
 * @typedef {{plain: Colour, ink: Colour, card: Colour, unsure: Colour}} Theme
 * @typedef {import("./marks.js").Colour} Colour
 */

/**
 * Numbers of a picture: place before and after a glide, half the width and height in CSS pixels, centre of the square in
 * the sheet, red, green, blue and opacity from 0 to 1, shape, kind, ring and row.
 */
export const PICTURE = 16;
/** CSS pixels of the sign of a picture's label. */
export const BADGE = 17;
/** CSS pixels of the border of a picture by the kind of its mark. */
export const BORDERS = [1, 1.5, 3];
/**
 * CSS pixels of the two rings around what is selected: one of the text's colour, and within it one of the background's.
 * No label has these colours, and nothing else has two rings.
 */
export const [OUTER, INNER] = [2.5, 2];
/** Factors of a dot's size by the kind of its mark, and that of the ring around an unsure one. */
export const [SIZES, RINGED] = [[0.7, 1, 1.25], 1.7];
