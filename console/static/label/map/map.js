/** The map of photos, which is loaded when it is opened. */

import { PlainElement } from "../../shared/element.js";
import { announce } from "../../shared/live.js";
import { html, nothing } from "../../vendor/lit.js";
import { later, problemOf } from "../store/values.js";
import { separationWords } from "../words.js";
import { Choosing } from "./choosing.js";
import {
  polygonWords,
  projectionName,
  renderLayers,
  renderProjections,
  renderSeparation,
  renderTools,
} from "./controls.js";
import { marksOf } from "./drawing/marks.js";
import { Stage } from "./drawing/stage.js";
import { readTheme, schemes } from "./drawing/theme.js";
import { pointOf } from "./geometry.js";
import { Gestures } from "./gestures.js";
import { press } from "./keys.js";
import { Overlay } from "./overlay.js";
import { parsePlace, placeText, WHOLE } from "./view.js";

/** @import {ServiceError} from "../../shared/api.js" */
/** @import {ProjectStore} from "../store.js" */
/** @import {Change, Mode, Point} from "./gestures.js" */

/** Photos above which PaCMAP is not computed ahead, and the scores of all layers only with a separation. */
const [SLOW, MANY] = [5000, 10_000];
const EVENTS = ["photos", "labels", "names", "selection", "predictions", "view", "positions"];

class LabelMap extends PlainElement {
  static properties = {
    store: { attribute: false },
    mode: { state: true },
    change: { state: true },
    corners: { state: true },
    scores: { state: true },
    step: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (undefined);
    /** @type {Mode} */
    this.mode = "lasso";
    /** @type {Change} */
    this.change = "replace";
    /** Corners of the polygon that is drawn. */
    this.corners = 0;
    /** Separation score by space. @type {Map<string, number>} */
    this.scores = new Map();
    /** Progress of a map that is computed. @type {{step: number, steps: number} | null} */
    this.step = null;
    /** @type {Stage | null} */
    this.stage = null;
    /** @type {Choosing | null} */
    this.choosing = null;
    /** Hashes of the photos that the map shows, by row. @type {string[]} */
    this.hashes = [];
    /** Number of maps that were asked for: a late one must not replace a later one. */
    this.loads = 0;
    this.box = document.createElement("div");
    this.box.className = "stage";
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-describedby", "map-description");
    this.box.addEventListener("keydown", (event) => press(event, this) && event.preventDefault());
    this.overlay = new Overlay(this.box);
    this.gestures = new Gestures(this.box, {
      mode: () => this.mode,
      pan: (right, down) => this.stage?.goTo(this.stage.view.panned(right, down)),
      zoom: (factor, at) => this.stage?.goTo(this.stage.view.zoomed(factor, ...at)),
      pick: (at, change, reach) => this.choosing?.pick(at, change ?? this.change, reach),
      enclose: (corners, change) => this.choosing?.enclose(corners, change ?? this.change),
      trace: (corners, isOpen) => this.trace(corners, isOpen),
      hover: (at) => this.hover(at),
    });
    this.tellPlace = later(250, () => this.stage && this.store.setView({ zoom: placeText(this.stage.view.place) }));
    this.scoreLater = later(1500, () => this.loadScores());
    this.onEvent = this.onEvent.bind(this);
    this.onScheme = () => this.paint(true);
  }

  connectedCallback() {
    super.connectedCallback();
    for (const scheme of schemes) scheme.addEventListener("change", this.onScheme);
    if (this.store) this.open();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const scheme of schemes) scheme.removeEventListener("change", this.onScheme);
    for (const type of EVENTS) this.store.removeEventListener(type, this.onEvent);
    this.tellPlace.cancel();
    this.scoreLater.cancel();
    this.stage?.close();
    this.stage = null;
  }

  /** @param {Map<string, unknown>} changes */
  willUpdate(changes) {
    if (changes.has("store") && this.store && this.stage === null) this.open();
  }

  open() {
    const { store } = this;
    this.stage = new Stage(this.box, store, () => this.onDraw());
    this.stage.goTo(parsePlace(store.view.zoom));
    this.choosing = new Choosing(store, this.stage);
    for (const type of EVENTS) store.addEventListener(type, this.onEvent);
    this.load();
    this.scoreLater();
  }

  /** Read the colours as soon as the map is in the page, where they hold. */
  updated() {
    if (this.stage?.theme === null) this.paint(true);
  }

  /** @param {Event} event */
  onEvent(event) {
    const patch = /** @type {CustomEvent} */ (event).detail ?? {};
    const { type } = event;
    const { store } = this;
    if (type === "photos" || type === "positions" || "space" in patch || "projection" in patch) this.load();
    if (type === "labels" || (type === "positions" && store.photos.length > MANY)) this.scoreLater();
    if (type !== "view" || "fade" in patch) this.paint();
    this.requestUpdate();
  }

  focus() {
    this.box.focus();
  }

  /** Load the map of the store's view, and let the photos glide there. */
  async load() {
    const { store } = this;
    const { space, projection } = store.view;
    if (projection === "separate" && store.separation === null)
      return store.setView({ projection: store.spaces.default.projection });
    if (space === "" || store.photos.length === 0) return;
    this.loads += 1;
    const load = this.loads;
    try {
      const places = await store.map(space, projection, (step) => {
        if (load === this.loads) this.step = step;
      });
      if (load !== this.loads || places.length !== 2 * store.photos.length) return;
      this.step = null;
      this.show(places);
      this.loadAhead();
    } catch (error) {
      const words = problemOf(error);
      const isOld = /** @type {ServiceError} */ (error).status === 409; // the photos' new list brings the new map
      if (load !== this.loads || isOld) return;
      this.step = null;
      store.say(words, { bad: true });
    }
  }

  /** @param {Float32Array} places */
  show(places) {
    const { stage, store } = this;
    if (stage === null) return;
    const hashes = store.photos.map(({ sha256 }) => sha256);
    const isSame = hashes.length === this.hashes.length && hashes.every((hash, row) => hash === this.hashes[row]);
    const rows = new Map(isSame ? [] : this.hashes.map((hash, row) => [hash, row]));
    this.hashes = hashes;
    if (!isSame) {
      stage.sheet.reset();
      stage.shapes = Float32Array.from(store.photos, ({ width, height }) => width / height);
    }
    stage.show(places, (row) => (isSame ? row : (rows.get(/** @type {string} */ (hashes[row])) ?? -1)));
    this.paint();
  }

  /** Ask for the maps that one key shows, so that they are there at once. */
  loadAhead() {
    const { store } = this;
    const { space, projection } = store.view;
    const near = [
      [this.neighbour(this.spaces, space, 1), projection],
      [this.neighbour(this.spaces, space, -1), projection],
      ...this.projections.map((other) => [space, other]),
    ];
    for (const [otherSpace = "", otherProjection = ""] of near)
      if (otherProjection !== "separate" && (otherProjection !== "pacmap" || this.hashes.length <= SLOW))
        store.map(otherSpace, otherProjection).catch(() => {}); // it is asked for again when it is shown
  }

  /** Learn how well each space separates the labels. */
  async loadScores() {
    const { store } = this;
    if (!this.canSeparate) {
      this.scores = new Map();
      return;
    }
    const ask = store.photos.length > MANY ? store.separation : store.api.send("POST", "/separation", {});
    const found = await Promise.resolve(ask).catch(() => null); // labels may be too few
    if (found !== null)
      this.scores = new Map(found.ranking.map((/** @type {any} */ { space, score }) => [space, score]));
  }

  get canSeparate() {
    return new Set(this.store.labels.filter((label) => label > 0)).size > 1;
  }

  get spaces() {
    const { spaces } = this.store.spaces;
    const lines = [...new Set(spaces.map(({ pooling }) => pooling))];
    return lines.flatMap((line) => spaces.filter(({ pooling }) => pooling === line)).map(({ name }) => name);
  }

  get projections() {
    const names = this.store.spaces.projections.map(({ name }) => name);
    return this.store.separation === null ? names : [...names, "separate"];
  }

  /**
   * Return the name that comes some places later, round and round.
   * @param {string[]} names
   * @param {string} name
   * @param {number} by
   */
  neighbour(names, name, by) {
    return names[(names.indexOf(name) + by + names.length) % names.length] ?? name;
  }

  /**
   * Give all dots their looks.
   * @param {boolean} [isNew] true if the colours of the page may have changed
   */
  paint(isNew = false) {
    const { stage, store } = this;
    if (stage === null) return;
    if (isNew) stage.theme = readTheme(this.box);
    if (stage.theme === null || this.hashes.length !== store.photos.length) return;
    stage.mark(marksOf(store, stage.theme.plain, stage.theme.ink));
  }

  onDraw() {
    const { stage, store } = this;
    if (stage === null) return;
    this.tellPlace();
    const { focus } = store;
    if (focus === null || stage.glide < 1 || focus >= this.hashes.length) return this.overlay.mark(null);
    const half = (stage.pictures.includes(focus) ? stage.side() : stage.size) / 2;
    this.overlay.mark({ at: stage.view.toScreen(...pointOf(stage.to, focus)), extent: stage.extent(focus, half) });
  }

  /** @param {Point | null} at */
  hover(at) {
    const row = at === null ? -1 : (this.choosing?.rowAt(at, 8) ?? -1);
    if (at === null || row < 0) this.overlay.show(null);
    else this.overlay.show({ address: this.store.thumb(row, 256), text: this.choosing?.describe(row) ?? "", at });
  }

  /**
   * @param {Point[]} corners
   * @param {boolean} isOpen
   */
  trace(corners, isOpen) {
    this.overlay.trace(corners, isOpen);
    this.corners = isOpen ? this.gestures.corners.length : 0;
  }

  // Actions of keys and buttons

  /** @param {number} by */
  layer(by) {
    this.chooseSpace(this.neighbour(this.spaces, this.store.view.space, by));
  }

  /** @param {string} space */
  async chooseSpace(space) {
    const { store } = this;
    if (store.view.projection !== "separate") store.setView({ space });
    // A separation belongs to one space, so another space needs another separation.
    else if ((await store.separate(this.separated, space)) === null) return;
    this.tellView();
  }

  /** Return the labels of the last separation, or else all that have photos. */
  get separated() {
    const last = Object.keys(this.store.separation?.n_labelled ?? {}).map(Number);
    const ids = last.length > 1 ? last : [...new Set(this.store.labels.filter((label) => label > 0))];
    return ids.sort((one, other) => one - other);
  }

  /** @param {number} by */
  projection(by) {
    this.chooseProjection(this.neighbour(this.projections, this.store.view.projection, by));
  }

  /** @param {string} projection */
  async chooseProjection(projection) {
    const { store } = this;
    if (projection === "separate") {
      if ((await store.separate(this.separated)) === null) return;
    } else store.setView({ projection });
    this.tellView();
  }

  tellView() {
    const { separation, spaces, view } = this.store;
    const space = spaces.spaces.find(({ name }) => name === view.space);
    const words = `${space?.stage ?? ""}: ${space?.text ?? ""}. ${projectionName(view.projection)}.`;
    // How well labels are separated stands below the map already.
    if (view.projection === "separate" && separation) announce(`${words} ${separationWords(separation)}`);
    else this.store.say(words, { until: ["space", "projection"] });
  }

  /**
   * @param {number} right
   * @param {number} up
   */
  walk(right, up) {
    this.choosing?.walk(right, up);
  }

  toggle() {
    this.choosing?.toggle();
  }

  preview() {
    const [row] = this.store.focus === null ? this.store.selection : [this.store.focus];
    if (row === undefined) this.store.say("Go to a photo first: Shift and an arrow.", { until: ["selection"] });
    else this.store.setView({ preview: row });
  }

  /** @param {1 | -1} direction */
  resize(direction) {
    this.choosing?.resize(direction);
  }

  /** Close the outline, or look through the selection. */
  enter() {
    if (this.gestures.corners.length > 0) this.gestures.finish();
    else this.dispatchEvent(new CustomEvent("review", { bubbles: true }));
  }

  back() {
    this.gestures.back();
  }

  cancel() {
    this.gestures.cancel();
  }

  selectView() {
    this.choosing?.chooseView(this.change);
  }

  /** @param {number} factor */
  zoomBy(factor) {
    if (this.stage) this.stage.goTo(this.stage.view.zoomed(factor));
  }

  showAll() {
    this.stage?.goTo(WHOLE);
  }

  /** @param {Mode} mode */
  setMode(mode) {
    this.gestures.cancel();
    this.mode = mode;
    this.store.say(`Tool: ${mode}.${mode === "polygon" ? ` ${polygonWords(0)} ${polygonWords(3)}` : ""}`);
  }

  /** @param {Change} change */
  setChange(change) {
    this.change = change;
  }

  shuffle() {
    this.stage?.shuffle();
    this.store.say("Other photos are pictures now.");
  }

  render() {
    const { store } = this;
    if (!store) return nothing;
    this.box.setAttribute("aria-label", `Map of ${store.photos.length} photos`);
    this.box.dataset.mode = this.mode;
    return html`
      <p id="map-description" class="unseen">Photos that are alike are near each other. Arrows change layer and projection,
        Shift and an arrow goes to the next photo, and x chooses it. The grid has the same photos as a list.</p>
      <div class="frame">${renderTools(this)}${this.box}${
        this.step !== null
          ? html`<p class="step">Laying out the map: ${this.step.step} of ${this.step.steps} steps</p>`
          : this.mode === "polygon"
            ? html`<p class="step">${polygonWords(this.corners)}</p>`
            : nothing
      }</div>
      ${renderSeparation(store)}
      <div class="ways">
        ${renderLayers(store, this.scores, (space) => this.chooseSpace(space))}
        ${renderProjections(store, this.canSeparate, (projection) => this.chooseProjection(projection))}
      </div>`;
  }
}
customElements.define("shopcat-label-map", LabelMap);
