/** Photos come into a project: by a drop of files or folders, or by buttons; and one list says what was wrong. */

import { PlainElement } from "../../shared/element.js";
import { count, whole } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import { droppedFiles, isPhoto, UploadQueue } from "./queue.js";

/** @import {Entry} from "./queue.js" */
/** @import {ProjectStore} from "../store.js" */

/** Lines of the report that are shown. */
const LINES = 200;

class LabelUpload extends PlainElement {
  static properties = {
    store: { attribute: false },
    over: { state: true },
    others: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    this.over = false;
    /** Number of files that are no photos. */
    this.others = 0;
    /** @type {UploadQueue | null} */
    this.queue = null;
    this.onChange = () => this.requestUpdate();
    this.onLeave = (/** @type {BeforeUnloadEvent} */ event) => {
      if (this.queue?.busy) event.preventDefault();
    };
  }

  connectedCallback() {
    super.connectedCallback();
    for (const type of ["photos", "progress"]) this.store.addEventListener(type, this.onChange);
    window.addEventListener("beforeunload", this.onLeave);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of ["photos", "progress"]) this.store.removeEventListener(type, this.onChange);
    window.removeEventListener("beforeunload", this.onLeave);
  }

  /** @param {DragEvent} event */
  async drop(event) {
    event.preventDefault();
    this.over = false;
    if (event.dataTransfer) this.send(await droppedFiles(event.dataTransfer));
  }

  /** @param {Event} event */
  choose(event) {
    const field = /** @type {HTMLInputElement} */ (event.target);
    this.send([...(field.files ?? [])]);
    field.value = "";
  }

  /** @param {File[]} files */
  async send(files) {
    const photos = files.filter(isPhoto);
    this.others += files.length - photos.length;
    if (photos.length === 0) {
      this.store.say("There is no photo among these files.", { bad: true });
      return;
    }
    this.queue ??= this.makeQueue();
    const { queue } = this;
    this.store.say(`${count(photos.length, "photo")} on the way.`);
    await queue.add(photos);
    if (queue.busy) return; // another call waits for the rest
    this.store.say(`${count(queue.count("new"), "new photo")} uploaded.`);
    await this.store.attempt(() => Promise.all([this.store.loadProject(), this.store.loadPhotos()]));
  }

  makeQueue() {
    const { store } = this;
    const isEmpty = store.project?.photos === 0;
    // Photos without features, and those of the audit, have no row: only the service knows them.
    const has = (/** @type {string} */ sha256) => store.rowOf.has(sha256) || (isEmpty ? false : null);
    return new UploadQueue(store.api.address, has, () => this.requestUpdate());
  }

  /** Return what was wrong, of this upload and of the project, as one list. @returns {Entry[]} */
  problems() {
    const uploaded = (this.queue?.entries ?? []).filter(({ outcome }) => outcome !== "new" && outcome !== "known");
    const known = new Set(uploaded.map(({ name }) => name));
    const broken = this.store.broken.filter(({ name }) => !known.has(name));
    return [
      ...uploaded,
      ...broken.map(({ name, reason }) => ({ name, reason, outcome: /** @type {const} */ ("broken") })),
    ];
  }

  render() {
    const { queue } = this;
    return html`<section class=${`card upload ${this.over ? "over" : ""}`} aria-labelledby="upload-title"
      @dragover=${(/** @type {DragEvent} */ event) => {
        event.preventDefault();
        this.over = true;
      }} @dragleave=${() => {
        this.over = false;
      }} @drop=${this.drop}>
      <h2 id="upload-title">Add photos</h2>
      <p>Drop photos or a folder here. 500 or so are a good beginning; 50,000 are possible.</p>
      <div class="flow">
        <label class="button">Choose photos<input class="unseen" type="file" multiple accept="image/*" @change=${this.choose}></label>
        <label class="button">Choose a folder<input class="unseen" type="file" webkitdirectory @change=${this.choose}></label>
      </div>
      ${queue === null || queue.total === 0 ? nothing : this.renderProgress(queue)}
      ${this.renderProblems()}
    </section>`;
  }

  /** @param {UploadQueue} queue */
  renderProgress(queue) {
    const known = queue.count("known");
    return html`<div class="upload-progress">
      <progress max=${queue.total} .value=${queue.done} aria-label="Upload"></progress>
      <p class="hint">${whole(queue.done)} of ${count(queue.total, "photo")}.
        ${known ? `${whole(known)} were there already. ` : ""}${this.others ? `${count(this.others, "other file")} left out. ` : ""}
        ${queue.busy ? html`<button class="quiet small" @click=${() => queue.stop()}>Stop</button>` : "Done."}</p>
    </div>`;
  }

  renderProblems() {
    const problems = this.problems();
    if (problems.length === 0) return nothing;
    return html`<details class="problems" open><summary>${count(problems.length, "file")} broken or twice</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Files that are broken or twice"><table class="plain">
        <thead><tr><th scope="col">File</th><th scope="col">Why</th></tr></thead>
        <tbody>${problems.slice(0, LINES).map(({ name, reason }) => html`<tr><th scope="row">${name}</th><td>${reason}</td></tr>`)}</tbody>
      </table></div>
      ${problems.length > LINES ? html`<p class="hint">and ${whole(problems.length - LINES)} more.</p>` : nothing}
    </details>`;
  }
}
customElements.define("shopcat-label-upload", LabelUpload);

export { LabelUpload };
