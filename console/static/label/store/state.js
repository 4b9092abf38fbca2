/** The state of an open project as the service tells it, and what the view makes of it. */

import { ServiceError } from "../../shared/api.js";
import { shapeOf } from "../shapes.js";
import { ProjectClient } from "./client.js";
import { floatsOf, later, predictionsOf, problemOf } from "./values.js";

/** @import {AuditCounts, BrokenPhoto, Label, LabelAnswer, Message, Photo, Predictions, Progress, ProjectAnswer, SeparationAnswer, Spaces,
 *   View} from "../types.js" */

export const [UNLABELLED, CANT_TELL] = [-1, 0];

export class ProjectState extends EventTarget {
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
    /** Number of photos that wait for their features. */
    this.waiting = 0;
    /** @type {BrokenPhoto[]} */
    this.broken = [];
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
    /** Hashes of the photos that got a label last: examples for a search, until others are chosen. @type {string[]} */
    this.last = [];
    /** @type {number | null} */
    this.focus = null;
    /** How the selection was made, for the history: "click" or "lasso". */
    this.how = "click";
    /** Rows of the list on the screen, in its order: the large preview goes through them. @type {number[]} */
    this.order = [];
    /** @type {string[]} */
    this.people = [];
    /** Changes after which the last message no longer holds: events, or names of the view. @type {string[]} */
    this.until = [];
    /** @type {View} */
    this.view = { space: "", projection: "", zoom: "", fade: { by: "none", threshold: 0.8 }, preview: null, ...view };
    this.lastEvent = 0;
    /** Labels by hash, with those of photos that have no row yet. @type {Map<string, number>} */
    this.given = new Map();
    /** Last event of each photo, because answers and the stream may come in another order. @type {Map<string, number>} */
    this.stamps = new Map();
    /** @type {Map<string, Promise<Float32Array>>} */
    this.maps = new Map();
    this.predictLater = later(700, () => this.loadPredictions());
    this.photosLater = later(800, () => this.attempt(() => Promise.all([this.loadProject(), this.loadPhotos()])));
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
    this.rowOf = new Map(this.photos.map(({ sha256 }, row) => [sha256, row]));
    const given = new Map(Object.entries(state.labels));
    for (const [sha256, last] of this.stamps) {
      if (last <= state.last_event) continue; // otherwise labelled after this state was read
      const label = this.given.get(sha256);
      if (label === undefined) given.delete(sha256);
      else given.set(sha256, label);
    }
    this.given = given;
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

  /** Take over the counts of the photos that are held back. @param {AuditCounts} audit */
  countAudit({ asked, answered, draw, held, labelled }) {
    if (this.project) this.project = { ...this.project, audit: { asked, answered, draw, held, labelled } };
    this.emit("audit");
  }

  /** Number of photos with a label, as everywhere: "can't tell" and blind answers are labels too. */
  get labelled() {
    return this.given.size + (this.project?.audit.labelled ?? 0);
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

  /**
   * Return the positions of a map, `[x, y]` of each row; "separate" is the map of the last separation.
   * @param {string} [space]
   * @param {string} [projection]
   * @param {(step: {step: number, steps: number}) => void} [onStep]
   * @returns {Promise<Float32Array>}
   */
  map(space = this.view.space, projection = this.view.projection, onStep = () => {}) {
    if (!space || !projection) return Promise.resolve(new Float32Array(0)); // nothing embeds the photos
    const separation = projection === "separate" ? this.separation : null;
    if (separation) return Promise.resolve(floatsOf(separation.positions));
    // The address may name a separation of an earlier visit.
    const known = projection === "separate" ? this.spaces.default.projection : projection;
    const path = `/maps/${space}/${known}?rows_version=${encodeURIComponent(this.rowsVersion)}`;
    const found = this.maps.get(path) ?? this.api.map(path, onStep);
    this.maps.set(path, found);
    found.catch((error) => {
      this.maps.delete(path);
      if (error instanceof ServiceError && error.status === 409) this.photosLater();
    });
    return found;
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

  async loadNames() {
    this.setNames((await this.api.get()).labels);
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
      this.say(problemOf(error), { bad: true });
      return null;
    }
  }

  /**
   * Show a message.
   * @param {string} text
   * @param {{bad?: boolean, until?: string[]}} [options] `until`: events, or names of the view, that end the message
   */
  say(text, { bad = false, until = [] } = {}) {
    this.emit("message", /** @type {Message} */ ({ text, bad }));
    this.until = until;
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
    const changed = type === "view" ? Object.keys(/** @type {object} */ (detail)) : [type];
    if (this.until.some((name) => changed.includes(name))) this.say("");
  }

  /** Load the spaces. Without a bundle there are none, and the photos are shown all the same. */
  async loadSpaces() {
    const spaces = await this.attempt(() => this.api.get("/spaces"));
    if (spaces === null) return;
    this.spaces = spaces;
    const { space, projection } = this.spaces.default;
    this.setView({ space: this.view.space || space, projection: this.view.projection || projection });
  }

  /** @param {SeparationAnswer} found */
  showSeparation(found) {
    this.separation = found;
    this.setView({ space: found.space, projection: "separate" });
    this.emit("positions");
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
      this.last = [];
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
    this.last = [];
    this.emit("selection");
  }

  /** @param {Partial<View>} patch */
  setView(patch) {
    this.view = { ...this.view, ...patch };
    this.emit("view", patch);
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
    } else if (kind === "audit") this.countAudit(data);
    else if (kind === "project" && this.project) {
      this.project = { ...this.project, ...data };
      this.emit("project");
    } else if (kind === "progress" && this.project) {
      const progress = /** @type {Progress} */ (data);
      this.project = { ...this.project, progress, photos: Math.max(this.project.photos, progress.photos) };
      this.emit("progress", data);
    } else this.emit(kind, data);
  }
}
