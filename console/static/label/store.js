/**
 * The state of an open project, which the map, the grid and all other parts of the page share.
 *
 * Photos are named by their row, as the maps are; a row changes its meaning only with the event "photos". Events:
 * "photos", "labels", "names", "selection" (also for the focus), "predictions", "view", "progress", "positions",
 * "people", "message", and "model" and "job" with the detail that the stream has.
 */

import { ServiceError } from "../shared/api.js";
import { count } from "../shared/format.js";
import { shapeOf } from "./shapes.js";
import { ProjectClient, Stream } from "./store/client.js";
import { changed, floatsOf, later, predictionsOf, problemOf } from "./store/values.js";

/** @import {BatchAnswer, BrokenPhoto, Label, LabelAnswer, Message, Photo, Predictions, Progress, ProjectAnswer,
 *   SeparationAnswer, SimilarPhoto, Spaces, View} from "./types.js" */

export const [UNLABELLED, CANT_TELL] = [-1, 0];
/** Number of photos that a search finds at most. */
const FOUND = 200;

export class ProjectStore extends EventTarget {
  /**
   * @param {string} id
   * @param {Partial<View>} [view] what the address names
   */
  constructor(id, view = {}) {
    super();
    this.id = id;
    this.api = new ProjectClient(id);
    /** @type {ProjectAnswer | null} */
    this.project = null;
    /** @type {Spaces} */
    this.spaces = { spaces: [], projections: [], default: { space: "", projection: "" } };
    /** @type {Photo[]} */
    this.photos = [];
    /** @type {Map<string, number>} */
    this.rowOf = new Map();
    this.rowsVersion = "";
    /** Photos that wait for their features, broken ones, and names of copies. */
    this.waiting = 0;
    /** @type {BrokenPhoto[]} */
    this.broken = [];
    /** @type {string[][]} */
    this.copies = [];
    /** Label by row: an id, UNLABELLED or CANT_TELL. */
    this.labels = new Int32Array(0);
    /** @type {Map<number, Label>} */
    this.names = new Map();
    /** @type {Predictions | null} */
    this.predictions = null;
    /** @type {SeparationAnswer | null} */
    this.separation = null;
    /** @type {Set<number>} */
    this.selection = new Set();
    /** Rows that were deselected in a review. @type {Set<number>} */
    this.negatives = new Set();
    /** @type {number | null} */
    this.focus = null;
    /** How the selection was made, for the history: "click" or "lasso". */
    this.how = "click";
    /** Rows of the list on the screen, in its order: the large preview goes through them. @type {number[]} */
    this.order = [];
    /** @type {string[]} */
    this.people = [];
    /** @type {View} */
    this.view = { space: "", projection: "", zoom: "", fade: { by: "none", threshold: 0.8 }, preview: null, ...view };
    this.lastEvent = 0;
    /** Labels by hash, with those of photos that have no row yet. @type {Map<string, number>} */
    this.given = new Map();
    /** Last event of each photo, because answers and the stream may come in another order. @type {Map<string, number>} */
    this.stamps = new Map();
    /** @type {Map<string, Promise<Float32Array>>} */
    this.maps = new Map();
    /** @type {Stream | null} */
    this.stream = null;
    /** The last write: writes are sent one after another. @type {Promise<unknown>} */
    this.writing = Promise.resolve();
    this.predictLater = later(700, () => this.loadPredictions());
    this.photosLater = later(800, () => this.loadPhotos());
  }

  /** Load everything and follow the others' changes. */
  async open() {
    const asked = this.attempt(() => this.api.get("/spaces")); // without a bundle there are none, and photos are still shown
    const [spaces] = await Promise.all([asked, this.loadProject(), this.loadPhotos()]);
    if (spaces) {
      this.spaces = spaces;
      const { space, projection } = spaces.default;
      this.setView({ space: this.view.space || space, projection: this.view.projection || projection });
    }
    const again = () => this.attempt(() => Promise.all([this.loadProject(), this.loadPhotos()]));
    const address = () => `${this.api.address}/stream?after=${this.lastEvent}`;
    this.stream = new Stream(address, (kind, data) => this.onEvent(kind, data), again);
    this.predictLater();
  }

  close() {
    this.stream?.close();
    this.predictLater.cancel();
    this.photosLater.cancel();
  }

  async loadProject() {
    /** @type {ProjectAnswer} */
    const project = await this.api.get();
    this.project = project;
    this.people = project.people;
    this.setNames(project.labels);
    this.emit("progress", project.progress);
    this.emit("people");
  }

  async loadPhotos() {
    const [answer, state] = await Promise.all([this.api.get("/photos"), this.api.get("/state")]);
    /** @param {Iterable<number>} rows */
    const hashes = (rows) => Array.from(rows, (row) => this.hash(row));
    const kept = { selection: hashes(this.selection), negatives: hashes(this.negatives) };
    const focus = this.focus === null ? "" : this.hash(this.focus);
    if (answer.rows_version !== this.rowsVersion) {
      this.maps.clear();
      this.separation = null;
      this.predictions = null;
    }
    this.photos = answer.photos;
    this.rowsVersion = answer.rows_version;
    this.waiting = answer.waiting;
    this.broken = answer.broken;
    this.copies = answer.copies;
    this.rowOf = new Map(this.photos.map(({ sha256 }, row) => [sha256, row]));
    this.given = new Map(Object.entries(state.labels));
    this.lastEvent = Math.max(this.lastEvent, state.last_event);
    this.labels = Int32Array.from(this.photos, ({ sha256 }) => this.given.get(sha256) ?? UNLABELLED);
    this.selection = new Set(this.rows(kept.selection));
    this.negatives = new Set(this.rows(kept.negatives));
    this.focus = this.rowOf.get(focus) ?? null;
    this.emit("photos");
    this.emit("labels");
    this.predictLater();
  }

  async loadPredictions() {
    if (this.names.size === 0 || this.photos.length === 0) return;
    const answer = await this.attempt(() => this.api.get("/predictions"));
    if (answer?.rows_version !== this.rowsVersion) return;
    this.predictions = predictionsOf(answer);
    this.emit("predictions");
  }

  /** Take over the numbers of an answer of the audit. @param {{asked: number, answered: number, draw: number}} audit */
  countAudit({ asked, answered, draw }) {
    if (this.project) this.project = { ...this.project, audit: { asked, answered, draw } };
  }

  /** @param {number} row */
  hash(row) {
    return /** @type {Photo} */ (this.photos[row]).sha256;
  }

  /**
   * Return the rows of photos; those without a row are left out.
   * @param {Iterable<string>} hashes
   */
  rows(hashes) {
    return Array.from(hashes, (sha256) => this.rowOf.get(sha256)).filter((row) => row !== undefined);
  }

  /**
   * Return the address of a photo's picture.
   * @param {number | string} photo row or hash
   * @param {64 | 256 | 1024} size
   */
  thumb(photo, size) {
    return `${this.api.address}/thumbs/${size}/${typeof photo === "number" ? this.hash(photo) : photo}.webp`;
  }

  /** Return the name of a label, for people. @param {number} id */
  nameOf(id) {
    if (id === CANT_TELL) return "can't tell";
    return this.names.get(id)?.name ?? "no label";
  }

  /**
   * Return the positions of a map, `[x, y]` of each row; "separate" is the map of the last separation.
   * @param {string} [space]
   * @param {string} [projection]
   * @param {(step: {step: number, steps: number}) => void} [onStep]
   * @returns {Promise<Float32Array>}
   */
  map(space = this.view.space, projection = this.view.projection, onStep = () => {}) {
    if (!space || !projection) return Promise.resolve(new Float32Array(0)); // nothing embeds the photos
    if (projection === "separate" && this.separation) return Promise.resolve(floatsOf(this.separation.positions));
    const path = `/maps/${space}/${projection}?rows_version=${encodeURIComponent(this.rowsVersion)}`;
    const found = this.maps.get(path) ?? this.api.map(path, onStep);
    this.maps.set(path, found);
    found.catch((error) => {
      this.maps.delete(path);
      if (error instanceof ServiceError && error.status === 409) this.photosLater();
    });
    return found;
  }

  /**
   * @param {Iterable<number>} rows
   * @param {"replace" | "add" | "remove" | "toggle"} [mode]
   */
  select(rows, mode = "replace") {
    this.how = "click";
    if (mode === "replace") {
      this.selection = new Set(rows);
      this.negatives = new Set();
    } else
      for (const row of rows)
        if (mode === "remove" || (mode === "toggle" && this.selection.has(row))) this.selection.delete(row);
        else this.selection.add(row);
    this.emit("selection");
  }

  /** @param {number | null} row */
  setFocus(row) {
    if (row === this.focus) return;
    this.focus = row;
    this.emit("selection");
  }

  /** @param {Partial<View>} patch */
  setView(patch) {
    this.view = { ...this.view, ...patch };
    this.emit("view", patch);
  }

  /**
   * Give photos a label, or take it away with null; by default to the selection, or else to the photo in focus.
   * @param {number | null} label
   * @param {string} [how] by default how the selection was made
   * @param {Iterable<number>} [rows]
   * @param {Iterable<number>} [negatives] rows that were looked at and deselected
   * @returns {Promise<BatchAnswer | null>}
   */
  label(label, how = this.how, rows = this.chosen(), negatives = []) {
    const photos = Array.from(rows, (row) => this.hash(row));
    const refused = Array.from(negatives, (row) => this.hash(row));
    if (photos.length + refused.length === 0) {
      this.say("Select a photo first.");
      return Promise.resolve(null);
    }
    const number = photos.length + refused.length;
    const subject = refused.length ? `${photos.length} of ${number} kept` : count(photos.length, "photo");
    const change = label === null ? "label taken away" : `labelled ${this.nameOf(label)}`;
    return this.write(
      "/events",
      { photos, label, how, space: this.view.space || null, negatives: refused },
      (answer) => (answer.batch === null ? "Nothing to change." : `${subject}, ${change}. Undo: Ctrl+Z`),
    );
  }

  /** Return the label that the classifier predicts for a row, if any. @param {number} row */
  predictedLabel(row) {
    return this.names.get(this.predictions?.labels[row] ?? UNLABELLED);
  }

  /** Return true for a photo that the view fades. @param {number} row */
  faded(row) {
    const { by, threshold } = this.view.fade;
    if (by === "labelled") return this.labels[row] !== UNLABELLED;
    return by !== "none" && this.predictions !== null && (this.predictions[by][row] ?? 0) >= threshold;
  }

  /** Return true for a photo with a ring: the view fades by certainty, and this one is unsure. @param {number} row */
  unsure(row) {
    const { by } = this.view.fade;
    return (by === "confidence" || by === "margin") && this.predictions !== null && !this.faded(row);
  }

  /** Return the selected rows, or the row in focus. */
  chosen() {
    if (this.selection.size > 0) return [...this.selection];
    return this.focus === null ? [] : [this.focus];
  }

  undo() {
    return this.write("/undo", {}, (answer) => changed("Undone", answer, "Redo: Ctrl+Shift+Z", "Nothing to undo."));
  }

  redo() {
    return this.write("/redo", {}, (answer) => changed("Done again", answer, "Undo: Ctrl+Z", "Nothing to redo."));
  }

  /**
   * Send a write after those before it, and apply its answer.
   * @param {string} path
   * @param {object} body
   * @param {(answer: BatchAnswer) => string} words
   * @returns {Promise<BatchAnswer | null>}
   */
  write(path, body, words) {
    const written = this.writing.then(() =>
      this.attempt(async () => {
        /** @type {BatchAnswer} */
        const answer = await this.api.send("POST", path, body);
        if (answer.batch !== null) this.apply(answer);
        this.say(words(answer));
        return answer;
      }),
    );
    this.writing = written;
    return written;
  }

  /** @param {{last_event: number, labels: Record<string, number | null>}} change */
  apply({ last_event: last, labels }) {
    this.lastEvent = Math.max(this.lastEvent, last);
    for (const [sha256, label] of Object.entries(labels)) {
      if ((this.stamps.get(sha256) ?? 0) > last) continue;
      this.stamps.set(sha256, last);
      if (label === null) this.given.delete(sha256);
      else this.given.set(sha256, label);
      const row = this.rowOf.get(sha256);
      if (row !== undefined) this.labels[row] = label ?? UNLABELLED;
    }
    this.emit("labels");
    this.predictLater();
  }

  /**
   * Create a label and return it; null if the service refuses the name.
   * @param {string} name
   * @returns {Promise<Label | null>}
   */
  async createLabel(name) {
    const made = await this.attempt(() => this.api.send("POST", "/labels", { name }));
    if (made === null) return null;
    await this.loadNames();
    return this.names.get(made.id) ?? null;
  }

  async loadNames() {
    this.setNames((await this.api.get()).labels);
  }

  /** @param {LabelAnswer[]} labels */
  setNames(labels) {
    let number = 0;
    const shown = labels.filter(({ id }) => id !== CANT_TELL);
    this.names = new Map(
      shown.map(({ id, name, colour, retired }) => {
        if (!retired) number += 1;
        return [id, { id, name, colour, retired, number: retired ? 0 : number, shape: shapeOf(id) }];
      }),
    );
    this.emit("names");
  }

  /**
   * Return photos like the selection and unlike the negatives.
   * @param {number} [most]
   * @returns {Promise<SimilarPhoto[] | null>}
   */
  async similar(most = FOUND) {
    const positives = this.chosen().map((row) => this.hash(row));
    const negatives = Array.from(this.negatives, (row) => this.hash(row));
    const body = { space: this.view.space, positives, negatives, most, leave_labelled: true };
    return (await this.attempt(() => this.api.send("POST", "/similar", body)))?.photos ?? null;
  }

  /**
   * Look for the space and the direction that separate labels, and show that map.
   * @param {number[]} ids
   * @param {string} [space] by default the space that separates them best
   * @returns {Promise<SeparationAnswer | null>}
   */
  async separate(ids, space) {
    const found = await this.attempt(() => this.api.send("POST", "/separation", { labels: ids, space }));
    if (found === null || found.rows_version !== this.rowsVersion) return null;
    this.separation = found;
    this.setView({ space: found.space, projection: "separate" });
    this.emit("positions");
    return found;
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  onEvent(kind, data) {
    if (kind === "labels") this.apply(data);
    else if (kind === "names") this.setNames(data.labels);
    else if (kind === "rows") {
      if (data.rows_version !== this.rowsVersion) this.photosLater();
    } else if (kind === "people") {
      this.people = data.people;
      this.emit("people");
    } else if (kind === "progress" && this.project) {
      this.project = { ...this.project, progress: /** @type {Progress} */ (data) };
      this.emit("progress", data);
    } else this.emit(kind, data);
  }

  /**
   * Run a request and return its answer; a problem becomes a message, and null.
   * @template T
   * @param {() => Promise<T>} run
   * @returns {Promise<T | null>}
   */
  async attempt(run) {
    try {
      return await run();
    } catch (error) {
      this.say(problemOf(error), true);
      return null;
    }
  }

  /**
   * @param {string} text
   * @param {boolean} [bad]
   */
  say(text, bad = false) {
    this.emit("message", /** @type {Message} */ ({ text, bad }));
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
