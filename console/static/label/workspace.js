/** An open project: its head, its parts, and the keys that work in all of them. */

import { AskingElement } from "../shared/element.js";
import { announce } from "../shared/live.js";
import { setQuery } from "../shared/router.js";
import { html, nothing } from "../vendor/lit.js";
import "./grid/grid.js";
import "./grid/preview.js";
import { renderHead } from "./head.js";
import "./help/help.js";
import "./learn/tools.js";
import "./marks/bar.js";
import "./review/review.js";
import { CANT_TELL, ProjectStore } from "./store.js";
import "./upload/upload.js";
import { TABS } from "./words.js";

/** @import {PhotoGrid} from "./grid/grid.js" */
/** @import {LabelHelp} from "./help/help.js" */
/** @import {LabelReview} from "./review/review.js" */
/** @import {Message} from "./types.js" */
/** @import {Tab} from "./words.js" */

/** Parts that come when they are opened. @type {Record<string, () => Promise<unknown>>} */
const MODULES = {
  map: () => import("./map/map.js"),
  next: () => import("./next/next.js"),
  checks: () => import("./checks/checks.js"),
  audit: () => import("./audit/audit.js"),
  out: () => import("./out/out.js"),
};
/** Parts that give labels in a way that is not that of the grid. */
const GIVING = "shopcat-label-review, shopcat-label-next, shopcat-label-audit, shopcat-label-checks";
/** Parts in which single keys work while they have the focus. */
const KEYED = `shopcat-label-map, shopcat-label-grid, shopcat-label-preview, shopcat-label-bar, ${GIVING}`;
const TYPED = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select";
const SWITCH = "shopcat.label.keys";

class LabelWorkspace extends AskingElement {
  static properties = {
    project: { attribute: false },
    query: { attribute: false },
    message: { state: true },
    opened: { state: true },
    loaded: { state: true },
    failed: { state: true },
    review: { state: true },
    adding: { state: true },
    keys: { state: true },
  };

  constructor() {
    super();
    this.project = "";
    this.query = new URLSearchParams();
    /** @type {ProjectStore | null} */
    this.store = null;
    /** @type {Message} */
    this.message = { text: "" };
    this.opened = false;
    /** Parts whose module is asked for. @type {Set<string>} */
    this.asked = new Set();
    /** Parts whose module is here. @type {Set<string>} */
    this.loaded = new Set();
    /** Parts whose module did not come. @type {Set<string>} */
    this.failed = new Set();
    /** Kind of the review that is open. @type {"" | "selection" | "similar"} */
    this.review = "";
    /** True while the part for uploads is open. */
    this.adding = false;
    /** True for a demonstration that was just begun: its photos come by themselves. */
    this.drawing = false;
    /** Part that was open before. @type {Tab | ""} */
    this.shownTab = "";
    /** True while single keys work. */
    this.keys = localStorage.getItem(SWITCH) !== "off";
    this.onKeyDown = this.onKeyDown.bind(this);
    this.addEventListener("give", (event) => this.give(/** @type {CustomEvent<number | null>} */ (event).detail));
    this.addEventListener("review", () => this.openReview("selection"));
    this.addEventListener("similar", () => this.openReview("similar"));
    this.addEventListener("dragenter", (event) => {
      if (event.dataTransfer?.types.includes("Files")) this.adding = true;
    });
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("keydown", this.onKeyDown); // a click beside the photos leaves no element in focus
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.onKeyDown);
    this.store?.close();
  }

  /** @param {Map<string, unknown>} changes */
  willUpdate(changes) {
    if (changes.has("project") && this.store?.id !== this.project) this.openProject();
    for (const part of this.parts()) if (!this.asked.has(part)) this.load(part);
    if (changes.has("query")) {
      if (this.tab !== this.shownTab) this.store?.select([]);
      this.shownTab = this.tab;
      this.review = "";
      this.message = { text: "" };
    }
  }

  openProject() {
    this.store?.close();
    const names = /** @type {const} */ (["space", "projection", "zoom"]);
    const store = new ProjectStore(
      this.project,
      Object.fromEntries(names.map((name) => [name, this.query.get(name) ?? ""])),
    );
    this.store = store;
    this.opened = false;
    for (const type of ["photos", "labels", "names", "predictions", "progress", "people", "audit", "project"])
      store.addEventListener(type, () => this.requestUpdate());
    store.addEventListener("message", (event) => {
      this.message = /** @type {CustomEvent<Message>} */ (event).detail;
      if (this.message.text !== "") announce(this.message.text);
    });
    store.addEventListener("view", () => this.writeAddress());
    this.attempt(async () => {
      await store.open();
      this.opened = true;
      this.drawing = this.query.has("demonstration");
      this.adding = store.project?.photos === 0 && !this.drawing;
    });
  }

  /** @returns {Tab} */
  get tab() {
    const named = this.query.get("tab");
    return TABS.find(([name]) => name === named)?.[0] ?? "photos";
  }

  /** Parts that are beside each other. */
  get show() {
    const named = this.query.get("show");
    return named === "map" || named === "grid" ? named : "both";
  }

  /** Return the parts on the screen whose modules come when they are opened. */
  parts() {
    if (!this.opened) return [];
    if (this.tab === "photos") return this.show === "grid" || this.store?.project?.photos === 0 ? [] : ["map"];
    return [this.tab];
  }

  /** @param {string} part */
  async load(part) {
    this.asked.add(part);
    try {
      await MODULES[part]?.();
      this.loaded = new Set([...this.loaded, part]);
    } catch {
      this.failed = new Set([...this.failed, part]);
    }
  }

  writeAddress() {
    const { space, projection, zoom } = this.store?.view ?? { space: "", projection: "", zoom: "" };
    const kept = { project: this.project, tab: this.query.get("tab") ?? "", show: this.query.get("show") ?? "" };
    setQuery({ ...kept, space, projection, zoom }, { replace: true });
  }

  /** @param {"selection" | "similar"} kind */
  async openReview(kind) {
    const { store } = this;
    if (store === null || (kind === "selection" ? store.selection.size : store.examples().length) === 0) {
      store?.say("Select photos first.", { until: ["selection"] });
      return;
    }
    this.review = kind;
  }

  async closeReview() {
    this.review = "";
    await this.updateComplete;
    this.focusOn("shopcat-label-grid, shopcat-label-map");
  }

  /**
   * Give a label to what the open part shows.
   * @param {number | null} label
   */
  async give(label) {
    const { store } = this;
    const preview = store?.view.preview ?? null;
    const part = /** @type {LabelReview | null} */ (this.querySelector(GIVING));
    if (preview !== null) await store?.label(label, "click", [preview]);
    else if (part) await part.give(label);
    else await store?.label(label);
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (this.store === null || event.defaultPrevented || event.altKey) return;
    const key = event.key.toLowerCase();
    const isTyped = target.matches(TYPED);
    if (isTyped && (key !== "z" || /** @type {HTMLInputElement} */ (target).value !== "")) return;
    if (event.ctrlKey || event.metaKey) {
      if (key === "z" && !event.shiftKey) this.store.undo();
      else if (key === "y" || key === "z") this.store.redo();
      else return;
    } else if (event.key === "Escape") {
      if (target.closest("dialog") || !this.goBack()) return;
    } else if (isTyped || !this.keys || !this.onSingleKey(key, target)) return;
    event.preventDefault();
  }

  /** Leave what is open, and return false if nothing is. */
  goBack() {
    const part = /** @type {any} */ (this.querySelector("shopcat-label-review, shopcat-label-audit"));
    if (!part?.back) return false;
    part.back();
    return true;
  }

  /**
   * Follow a key, and return false if it means nothing here.
   * @param {string} key
   * @param {HTMLElement} target
   */
  onSingleKey(key, target) {
    if (key === "?") this.help.show();
    else if (target !== document.body && !target.closest(KEYED)) return false;
    else if (/^\d$/.test(key)) return this.onDigit(Number(key), target);
    else {
      const part = /** @type {any} */ (this.querySelector(GIVING));
      if (key === "a" && part?.accept) part.accept();
      else if (key === "s" && part?.skip) part.skip();
      else if (key === "f" && part?.findSimilar) part.findSimilar();
      else if (key === "f" && this.tab === "photos") this.openReview("similar");
      else if (key === "r" && this.tab === "photos" && !this.review) this.openReview("selection");
      else return false;
    }
    return true;
  }

  /**
   * @param {number} digit
   * @param {HTMLElement} target
   */
  onDigit(digit, target) {
    const { store } = this;
    const label = [...(store?.names.values() ?? [])].find(({ number }) => number === digit);
    if (store === null || (digit !== 0 && label === undefined)) return false;
    const grid = /** @type {PhotoGrid | null} */ (target.closest("shopcat-label-grid"));
    const single = store.selection.size < 2;
    this.give(digit === 0 ? CANT_TELL : (label?.id ?? null)).then(() => {
      if (grid && single) grid.next();
    });
    return true;
  }

  get help() {
    return /** @type {LabelHelp} */ (this.querySelector("shopcat-label-help"));
  }

  /** @param {CustomEvent<boolean>} event */
  switchKeys({ detail }) {
    this.keys = detail;
    localStorage.setItem(SWITCH, detail ? "on" : "off");
  }

  render() {
    const store = this.store;
    if (store === null || !this.opened)
      return html`<p><a href="/console/label">All projects</a></p>${this.renderError()}
        ${this.error ? nothing : html`<p class="waiting">Opening the project…</p>`}`;
    const { text, bad } = this.message;
    const isEmpty = store.project?.photos === 0;
    const labels = this.tab !== "out" && !isEmpty;
    const tools = this.tab === "photos" && !isEmpty && this.review === "";
    return html`
      ${renderHead(this, store)}
      <shopcat-label-help .keys=${this.keys} @keys=${this.switchKeys}></shopcat-label-help>
      ${this.adding ? html`<shopcat-label-upload .store=${store}></shopcat-label-upload>` : nothing}
      <div class="top-bar">
        ${labels ? html`<shopcat-label-bar .store=${store} .keys=${this.keys} .asks=${!tools}></shopcat-label-bar>` : nothing}
        <div class="second-line">
          ${tools ? html`<shopcat-label-tools .store=${store} .words=${this.show === "grid"}></shopcat-label-tools>` : nothing}
          <p class=${bad ? "message bad" : "message"}>${text}</p>
        </div>
      </div>
      ${isEmpty && this.drawing ? html`<p class="waiting">Drawing the vehicles…</p>` : nothing}
      ${this.tab !== "photos" ? this.renderTab(store) : isEmpty ? nothing : this.renderPhotos(store)}
      <shopcat-label-preview .store=${store}></shopcat-label-preview>`;
  }

  /** @param {ProjectStore} store */
  renderPhotos(store) {
    const show = this.show;
    return html`
      ${
        this.review === ""
          ? nothing
          : html`<shopcat-label-review .store=${store} kind=${this.review} @close=${this.closeReview}></shopcat-label-review>`
      }
      <div class=${`panes ${show}`} ?hidden=${this.review !== ""}>
        ${show === "grid" ? nothing : this.renderPart("map", html`<shopcat-label-map .store=${store}></shopcat-label-map>`)}
        ${show === "map" ? nothing : html`<shopcat-label-grid .store=${store}></shopcat-label-grid>`}
      </div>`;
  }

  /** @param {ProjectStore} store */
  renderTab(store) {
    const elements = {
      photos: nothing,
      next: html`<shopcat-label-next .store=${store}></shopcat-label-next>`,
      checks: html`<shopcat-label-checks .store=${store}></shopcat-label-checks>`,
      audit: html`<shopcat-label-audit .store=${store}></shopcat-label-audit>`,
      out: html`<shopcat-label-out .store=${store}></shopcat-label-out>`,
    };
    return this.renderPart(this.tab, elements[this.tab]);
  }

  /**
   * @param {string} part
   * @param {unknown} element
   */
  renderPart(part, element) {
    if (this.loaded.has(part)) return element;
    if (!this.failed.has(part)) return html`<p class="waiting">One moment…</p>`;
    return html`<p class="notice">This part can't be loaded. Check the connection, then reload the page.</p>`;
  }
}
customElements.define("shopcat-label-workspace", LabelWorkspace);

export { LabelWorkspace };
