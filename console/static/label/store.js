/**
 * The state of an open project, which the map, the grid and all other parts of the page share.
 *
 * Photos are named by their row, as the maps are; a row changes its meaning only with the event "photos". Events:
 * "photos", "labels", "names", "selection" (also for the focus), "predictions", "view", "progress", "positions",
 * "people", "audit" (counts), "answers" when an undo or redo changes some of the audit, "project" (name, archived),
 * "message", and "model" and "job" with the detail that the stream has.
 */

import { count } from "../shared/format.js";
import { Stream } from "./store/client.js";
import { CANT_TELL, ProjectState, UNLABELLED } from "./store/state.js";
import { changed } from "./store/values.js";

/** @import {BatchAnswer, Label, SeparationAnswer, SimilarPhoto, View} from "./types.js" */

/** Number of photos that a search finds at most. */
const FOUND = 200;
/** Number of photos that a search may name. */
const EXAMPLES = 5000;

export class ProjectStore extends ProjectState {
  /**
   * @param {string} id
   * @param {Partial<View>} [view] what the address names
   */
  constructor(id, view = {}) {
    super(id, view);
    /** @type {Stream | null} */
    this.stream = null;
    /** The last write: writes are sent one after another. @type {Promise<unknown>} */
    this.writing = Promise.resolve();
  }

  /** Load everything and follow the others' changes. */
  async open() {
    await Promise.all([this.loadSpaces(), this.loadProject(), this.loadPhotos()]);
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
      this.say("Select a photo first.", { until: ["selection"] });
      return Promise.resolve(null);
    }
    const number = photos.length + refused.length;
    const subject = refused.length ? `${photos.length} of ${number} kept` : count(photos.length, "photo");
    const change = label === null ? "label taken away" : `labelled ${this.nameOf(label)}`;
    return this.write(
      "/events",
      { photos, label, how, space: this.view.space || null, negatives: refused },
      (answer) => (answer.batch === null ? "Nothing to change." : `${subject}, ${change}. Undo: Ctrl+Z`),
      () => this.leaveSelection(photos, refused),
    );
  }

  /**
   * Take photos that got a label out of the selection, as those that were looked at and deselected.
   * @param {string[]} labelled
   * @param {string[]} refused
   */
  leaveSelection(labelled, refused) {
    this.last = labelled;
    for (const row of this.rows(refused)) this.negatives.add(row);
    this.select(this.rows([...labelled, ...refused]), "remove");
  }

  /** Return the rows to search with: the chosen ones, or those that got a label last. */
  examples() {
    return this.selection.size === 0 && this.last.length > 0 ? this.rows(this.last) : this.chosen();
  }

  /** Undo the last step. Photos that it labelled are selected again, to get the right label. */
  undo() {
    return this.write(
      "/undo",
      {},
      (answer) => changed("Undone", answer, "Redo: Ctrl+Shift+Z", "Nothing to undo."),
      ({ labels }) => {
        const isLast = this.last.length > 0 && this.last.length === Object.keys(labels).length;
        if (isLast && this.selection.size === 0 && this.last.every((photo) => photo in labels))
          this.select(this.rows(this.last));
      },
    );
  }

  redo() {
    return this.write("/redo", {}, (answer) => changed("Done again", answer, "Undo: Ctrl+Z", "Nothing to redo."));
  }

  /**
   * Send a write after those before it, and apply its answer.
   * @param {string} path
   * @param {object} body
   * @param {(answer: BatchAnswer) => string} words
   * @param {(answer: BatchAnswer) => void} [after]
   * @returns {Promise<BatchAnswer | null>}
   */
  write(path, body, words, after = () => {}) {
    const written = this.writing.then(() =>
      this.attempt(async () => {
        /** @type {BatchAnswer} */
        const answer = await this.api.send("POST", path, body);
        if (answer.batch !== null) this.apply(answer);
        after(answer);
        if (answer.held_back > 0) this.emit("answers");
        this.say(words(answer));
        return answer;
      }),
    );
    this.writing = written;
    return written;
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

  /**
   * Return photos like the examples and unlike the negatives.
   * @param {number} [most]
   * @param {boolean} [labelled] true to find photos with a label too
   * @returns {Promise<SimilarPhoto[] | null>}
   */
  async similar(most = FOUND, labelled = false) {
    const [positives, negatives] = [this.examples(), [...this.negatives]].map((rows) =>
      rows.slice(0, EXAMPLES).map((row) => this.hash(row)),
    );
    const body = { space: this.view.space || undefined, positives, negatives, most, leave_labelled: !labelled };
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
    this.showSeparation(found);
    return found;
  }
}

export { CANT_TELL, UNLABELLED };
