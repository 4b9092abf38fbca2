/** Take it out: a model trained on the labels, its serving, downloads, and what comes in from elsewhere. */

import { PlainElement } from "../../shared/element.js";
import { html, nothing } from "../../vendor/lit.js";
import "./bundle.js";
import { later } from "../store/values.js";
import { renderDownloads } from "./downloads.js";
import "./imports.js";
import "./serving.js";

/** @import {ProjectStore} from "../store.js" */
/** @import {BundleState, ExportState} from "./types.js" */

/** Milliseconds between questions while something changes. */
const AGAIN = { running: 3000, reloading: 700 };
/** Events of the store that change what is downloaded. */
const CHANGES = ["labels", "names", "audit"];

class LabelOut extends PlainElement {
  static properties = {
    store: { attribute: false },
    bundle: { state: true },
    content: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {BundleState | null} */
    this.bundle = null;
    /** @type {ExportState | null} */
    this.content = null;
    this.timer = 0;
    this.onJob = () => this.loadBundle();
    this.onLabels = later(300, () => this.loadContent());
  }

  connectedCallback() {
    super.connectedCallback();
    this.store.addEventListener("job", this.onJob);
    for (const type of CHANGES) this.store.addEventListener(type, this.onLabels);
    this.loadBundle();
    this.loadContent();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.timer);
    this.store.removeEventListener("job", this.onJob);
    for (const type of CHANGES) this.store.removeEventListener(type, this.onLabels);
    this.onLabels.cancel();
  }

  async loadBundle() {
    this.take(await this.store.attempt(() => this.store.api.get("/bundle")));
  }

  async loadContent() {
    const content = await this.store.attempt(() => this.store.api.get("/export"));
    if (content !== null) this.content = content;
  }

  /**
   * Send a request about the bundle, and show what it answers.
   * @param {"POST" | "DELETE"} method
   * @param {string} path
   * @param {object} [body]
   */
  async send(method, path, body) {
    this.take(await this.store.attempt(() => this.store.api.send(method, path, body)));
  }

  /** @param {BundleState | null} found */
  take(found) {
    if (found !== null) this.bundle = found;
    clearTimeout(this.timer);
    if (!this.isConnected || this.bundle === null) return;
    const { job, serving } = this.bundle;
    const wait = serving.state === "reloading" ? AGAIN.reloading : job.state === "running" ? AGAIN.running : 0;
    if (wait) this.timer = window.setTimeout(() => this.loadBundle(), wait);
  }

  render() {
    const { store, bundle, content } = this;
    if (bundle === null || content === null) return html`<p class="waiting">Asking…</p>`;
    return html`
      <shopcat-label-bundle .bundle=${bundle} .content=${content}
        @make=${(/** @type {CustomEvent<object>} */ { detail }) => this.send("POST", "/bundle", detail)}
        @cancel=${() => this.send("DELETE", "/bundle")} .address=${store.api.address}></shopcat-label-bundle>
      ${
        bundle.bundle === null && bundle.serving.chosen === null
          ? nothing
          : html`<shopcat-label-serving .state=${bundle}
              @serve=${() => this.send("POST", "/bundle/serve")}
              @take-back=${() => this.send("DELETE", "/bundle/serve")}></shopcat-label-serving>`
      }
      ${renderDownloads(store.api.address, content)}
      <shopcat-label-imports .store=${store} @imported=${() => this.loadContent()}></shopcat-label-imports>`;
  }
}
customElements.define("shopcat-label-out", LabelOut);

export { LabelOut };
