/** An open project: its head, its parts, and the keys that work in all of them. */

import { AskingElement } from "../shared/element.js";
import { count, whole } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { setQuery } from "../shared/router.js";
import { html, nothing } from "../vendor/lit.js";
import { ProjectStore } from "./store.js";
import { TABS } from "./words.js";

/** @import {Message} from "./types.js" */
/** @import {Tab} from "./words.js" */

/** Modules of the parts that are loaded when they are opened. @type {Record<string, string>} */
const MODULES = { map: "./map/map.js", out: "./out/out.js" };
/** Parts in which a digit gives a label. */
const KEYED = "shopcat-label-map, shopcat-label-grid, shopcat-label-review";
const TYPED = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select";
const SWITCH = "shopcat.label.keys";

class LabelWorkspace extends AskingElement {
  static properties = {
    project: { attribute: false },
    query: { attribute: false },
    message: { state: true },
    opened: { state: true },
    failed: { state: true },
  };

  constructor() {
    super();
    this.project = "";
    this.query = new URLSearchParams();
    /** @type {ProjectStore | null} */
    this.store = null;
    /** @type {Message | null} */
    this.message = null;
    this.opened = false;
    /** Parts whose module did not come. @type {Set<string>} */
    this.failed = new Set();
    this.keys = localStorage.getItem(SWITCH) !== "off";
    this.addEventListener("keydown", (event) => this.onKeyDown(event));
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.store?.close();
  }

  /** @param {Map<string, unknown>} changes */
  willUpdate(changes) {
    if (changes.has("project") && this.store?.id !== this.project) this.openProject();
    if (changes.has("query") || changes.has("opened")) for (const part of this.parts()) this.load(part);
  }

  openProject() {
    this.store?.close();
    const names = /** @type {const} */ (["space", "projection", "zoom"]);
    const view = Object.fromEntries(names.map((name) => [name, this.query.get(name) ?? ""]));
    const store = new ProjectStore(this.project, view);
    this.store = store;
    this.opened = false;
    for (const type of ["photos", "labels", "names", "progress", "people"])
      store.addEventListener(type, () => this.requestUpdate());
    store.addEventListener("message", (event) => {
      this.message = /** @type {CustomEvent<Message>} */ (event).detail;
      announce(this.message.text);
    });
    store.addEventListener("view", () => this.writeAddress());
    this.attempt(async () => {
      await store.open();
      this.opened = true;
    });
  }

  /** @returns {Tab} */
  get tab() {
    const named = this.query.get("tab");
    return TABS.find(([name]) => name === named)?.[0] ?? "photos";
  }

  /** Parts that the address shows beside each other. */
  get show() {
    const named = this.query.get("show");
    return named === "map" || named === "grid" ? named : "both";
  }

  /** Return the parts on the screen whose modules are loaded on demand. */
  parts() {
    if (!this.opened) return [];
    if (this.tab === "photos") return this.show === "grid" ? [] : ["map"];
    return this.tab in MODULES ? [this.tab] : [];
  }

  /** @param {string} part */
  async load(part) {
    try {
      await import(/** @type {string} */ (MODULES[part]));
    } catch {
      this.failed = new Set([...this.failed, part]);
    }
  }

  writeAddress() {
    const { space, projection, zoom } = this.store?.view ?? { space: "", projection: "", zoom: "" };
    const kept = { project: this.project, tab: this.query.get("tab") ?? "", show: this.query.get("show") ?? "" };
    setQuery({ ...kept, space, projection, zoom }, { replace: true });
  }

  /**
   * Return the address of another part, with the same view.
   * @param {{tab?: string, show?: string}} change
   */
  address(change) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(change))
      if (value === "photos" || value === "both") query.delete(name);
      else query.set(name, value);
    return `/console/label?${query}`;
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (this.store === null || event.defaultPrevented || event.altKey || target.matches(TYPED)) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (key === "z" && !event.shiftKey) this.store.undo();
      else if (key === "y" || key === "z") this.store.redo();
      else return;
    } else if (/^\d$/.test(key) && this.keys && target.closest(KEYED)) {
      const label = [...this.store.names.values()].find(({ number }) => number === Number(key));
      if (key !== "0" && label === undefined) return;
      this.store.label(label?.id ?? 0);
    } else return;
    event.preventDefault();
  }

  render() {
    const store = this.store;
    if (store === null || !this.opened)
      return html`<p><a href="/console/label">All projects</a></p>${this.renderError()}
        ${this.error ? nothing : html`<p class="waiting">Opening the project…</p>`}`;
    return html`
      ${this.renderHead(store)}
      ${this.renderMessage()}
      ${this.tab === "photos" ? this.renderPhotos(store) : this.renderTab(store)}`;
  }

  /** @param {ProjectStore} store */
  renderHead(store) {
    const { name, photos, labelled } = /** @type {import("./types.js").ProjectAnswer} */ (store.project);
    return html`<div class="project-head">
      <p class="crumb"><a href="/console/label">All projects</a></p>
      <h1>${name}</h1>
      <p class="hint">${count(photos, "photo")}, ${whole(labelled)} labelled</p>
      <nav class="tabs" aria-label="Parts of the project"><ul>${TABS.map(
        ([tab, words]) => html`<li><a href=${this.address({ tab })}
          aria-current=${this.tab === tab ? "page" : "false"}>${words}</a></li>`,
      )}</ul></nav>
    </div>`;
  }

  renderMessage() {
    const { text, bad } = this.message ?? { text: "", bad: false };
    return html`<p class=${bad ? "message bad" : "message"}>${text}</p>`;
  }

  /** @param {ProjectStore} store */
  renderPhotos(store) {
    const show = this.show;
    return html`<nav class="show" aria-label="Parts side by side"><ul>${[
      ["both", "Map and grid"],
      ["map", "Map"],
      ["grid", "Grid"],
    ].map(
      ([value, words]) => html`<li><a href=${this.address({ show: value ?? "" })}
        aria-current=${show === value ? "true" : "false"}>${words}</a></li>`,
    )}</ul></nav>
    <div class=${`panes ${show}`}>
      ${show === "grid" ? nothing : this.renderPart("map", html`<shopcat-label-map .store=${store}></shopcat-label-map>`)}
      ${show === "map" ? nothing : html`<shopcat-label-grid .store=${store}></shopcat-label-grid>`}
    </div>`;
  }

  /** @param {ProjectStore} store */
  renderTab(store) {
    if (this.tab === "out")
      return this.renderPart("out", html`<shopcat-label-out .store=${store}></shopcat-label-out>`);
    return nothing;
  }

  /**
   * @param {string} part
   * @param {unknown} element
   */
  renderPart(part, element) {
    if (!this.failed.has(part)) return element;
    return html`<p class="notice">This part can't be loaded. Check the connection, then reload the page.</p>`;
  }
}
customElements.define("shopcat-label-workspace", LabelWorkspace);
