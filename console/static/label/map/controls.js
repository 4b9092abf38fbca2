/** Controls of the map: tools, layers, projections, the words about a separation, and the keys. */

import { count, percent } from "../../shared/format.js";
import { html, nothing, svg } from "../../vendor/lit.js";

/** @import {ProjectStore} from "../store.js" */
/** @import {Change, Mode} from "./gestures.js" */

/** Value, name, explanation and drawing of each tool, in a box of 16 x 16. @type {[Mode, string, string, string][]} */
const MODES = [
  [
    "move",
    "Move",
    "Drag the map. A click chooses a photo.",
    "M8 1v14M1 8h14M6 3l2-2l2 2M6 13l2 2l2-2M3 6l-2 2l2 2M13 6l2 2l-2 2",
  ],
  [
    "lasso",
    "Lasso",
    "Draw around photos.",
    "M5 11C2.6 10.3 1.2 8.8 1.2 7C1.2 4.4 4.2 2.4 8 2.400S14.8 4.4 14.8 7S11.8 11.6 8 11.6" +
      "C6.5 11.6 5.6 11.4 5 11A1.6 1.6 0 1 0 4 13.600C4.8 13.9 5.2 14.5 4.6 15.5",
  ],
  [
    "rectangle",
    "Rectangle",
    "Drag a rectangle over photos.",
    "M1.5 3.500h2.500M6.5 3.500h3M12 3.500h2.500v2M14.5 7.500v2.500M14.5 12v.5h-2.500M9.5 12.500h-3M4 12.500h-2.500v-2M1.5 8.500v-3",
  ],
  [
    "polygon",
    "Polygon",
    "Click corners around photos. The first corner, a double click or Enter closes it.",
    "M2 5.500L9 1.500L14.5 6.500L12 14L4 13ZM2 5.500h.01M9 1.500h.01M14.5 6.500h.01M12 14h.01M4 13h.01",
  ],
];
/** @type {[Change, string][]} */
const CHANGES = [
  ["replace", "New"],
  ["add", "Add"],
  ["remove", "Remove"],
];
const SHUFFLE = "M1 4h3l7 8h4M1 12h3l2-2.300M9 6.300L11 4h4M13 2l2 2l-2 2M13 10l2 2l-2 2";
/** Names of projections on their buttons. @type {Record<string, string>} */
const SHORT = { "pca-1-2": "PCA 1–2", "pca-3-4": "PCA 3–4", pacmap: "PaCMAP", ica: "ICA", separate: "Separate" };
/** @type {Record<string, string>} */
const POOLINGS = { what: "What", where: "Where" };

/** @param {string} projection */
export const projectionName = (projection) => SHORT[projection] ?? projection;

/** @param {string} path */
const icon = (path) => html`<svg viewBox="0 0 16 16" aria-hidden="true">${svg`<path d=${path} />`}</svg>`;

/**
 * @param {{mode: Mode, change: Change, setMode: (mode: Mode) => void, setChange: (change: Change) => void,
 *   zoomBy: (factor: number) => void, showAll: () => void, shuffle: () => void}} map
 */
export const renderTools = (map) =>
  html`<div class="tools">
    <div class="segments" role="group" aria-label="How to choose photos">${MODES.map(
      ([mode, name, title, path]) => html`<button aria-label=${name} title=${`${name}. ${title}`}
        aria-pressed=${mode === map.mode} @click=${() => map.setMode(mode)}>${icon(path)}</button>`,
    )}</div>
    <select aria-label="What becomes of the selection" title="Shift adds, and Alt removes"
      @change=${(/** @type {Event} */ event) =>
        map.setChange(/** @type {Change} */ (/** @type {HTMLSelectElement} */ (event.target).value))}>${CHANGES.map(
        ([change, name]) => html`<option value=${change} ?selected=${change === map.change}>${name}</option>`,
      )}</select>
    <div class="segments" role="group" aria-label="Zoom">
      <button aria-label="Farther" title="Farther" @click=${() => map.zoomBy(1 / 1.5)}>−</button>
      <button aria-label="Nearer" title="Nearer" @click=${() => map.zoomBy(1.5)}>+</button>
      <button title="The whole map" @click=${() => map.showAll()}>All</button>
    </div>
    <button aria-label="Shuffle" title="Shuffle. Shows other photos as pictures." @click=${() => map.shuffle()}>${icon(SHUFFLE)}</button>
  </div>`;

/**
 * Return the buttons of all spaces: a line for each pooling, a column for each layer.
 * @param {ProjectStore} store
 * @param {Map<string, number>} scores how well each space separates the labels
 * @param {(space: string) => void} choose
 */
export function renderLayers(store, scores, choose) {
  const { spaces } = store.spaces;
  const lines = [...new Set(spaces.map(({ pooling }) => pooling))];
  const best = Math.max(...scores.values());
  return html`<div class="layers" role="group" aria-label="Layers">${lines.map(
    (pooling) =>
      html`<div class="stages"><span class="label">${POOLINGS[pooling] ?? pooling}</span>${spaces
        .filter((space) => space.pooling === pooling)
        .map(({ name, stage, text }) => {
          const score = scores.get(name);
          const words = score === undefined ? "" : `; separates ${percent(score)} of the pairs of labels`;
          return html`<button title=${text + words} aria-label=${`${stage}, ${text}${words}`}
          aria-pressed=${name === store.view.space} class=${score !== undefined && score === best ? "best" : ""}
          @click=${() => choose(name)}><span>${stage}</span>${score === undefined ? nothing : html`<small>${score.toFixed(2)}</small>`}</button>`;
        })}</div>`,
  )}</div>`;
}

/**
 * @param {ProjectStore} store
 * @param {boolean} canSeparate true if two labels have photos
 * @param {(projection: string) => void} choose
 */
export function renderProjections(store, canSeparate, choose) {
  const { projection } = store.view;
  return html`<div class="segments projections" role="group" aria-label="Projections">${store.spaces.projections.map(
    ({ name, text }) => html`<button title=${text} aria-pressed=${name === projection}
      @click=${() => choose(name)}>${projectionName(name)}</button>`,
  )}<button title="The space and direction in which the labels differ most" aria-pressed=${projection === "separate"}
      ?disabled=${!canSeparate} @click=${() => choose("separate")}>${projectionName("separate")}</button></div>`;
}

/** @param {ProjectStore} store */
export function renderSeparation({ separation, spaces, view, names, labels: given }) {
  if (separation === null || view.projection !== "separate") return nothing;
  const { space, text, warning, n_labelled: counts } = separation;
  const labels = Object.entries(counts).map(
    ([id, photos]) => `${names.get(Number(id))?.name ?? id} (${count(photos, "photo")})`,
  );
  const isOld = Object.entries(counts).some(
    ([id, photos]) => given.reduce((sum, label) => sum + Number(label === Number(id)), 0) !== photos,
  );
  const { stage = space, text: words = "" } = spaces.spaces.find(({ name }) => name === space) ?? {};
  return html`<p class=${warning ? "notice" : "notice good"}>The layer <strong>${stage}</strong> (${words})
    <strong>${text}</strong>: ${labels.join(", ")}. ${warning ? html`<strong>Warning:</strong> ${warning}.` : nothing}
    ${isOld ? html`Labels have changed since: choose <em>Separate</em> again.` : nothing}</p>`;
}

/**
 * Return what to do next with a polygon, which no other tool needs words for.
 * @param {number} corners
 */
export function polygonWords(corners) {
  if (corners === 0) return "Polygon: click a first corner beside the photos.";
  const undo = "Backspace removes the last corner, Esc all.";
  if (corners < 3) return `Polygon: click the next corner. ${undo}`;
  return `Polygon of ${corners} corners: click the first one again, double-click or press Enter to close it. ${undo}`;
}
