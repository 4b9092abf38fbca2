/** Serve the bundle in place of a model of the service, and the way back. */

import { PlainElement } from "../../shared/element.js";
import { forgetModels, session } from "../../shared/service.js";
import { html, nothing } from "../../vendor/lit.js";

/** @import {BundleState, Serving} from "./types.js" */

class LabelServing extends PlainElement {
  static properties = {
    state: { attribute: false },
    asking: { state: true },
    mayServe: { state: true },
  };

  constructor() {
    super();
    /** @type {BundleState} */
    this.state = /** @type {any} */ (null);
    /** True while the page asks if the user is sure. */
    this.asking = false;
    this.mayServe = true;
    this.version = "";
  }

  async connectedCallback() {
    super.connectedCallback();
    this.mayServe = (await session()).roles.includes("admin");
  }

  willUpdate() {
    const { version } = this.state.serving;
    if (version !== this.version && this.version !== "") forgetModels(); // the other pages ask again
    this.version = version ?? "";
  }

  /** @param {"serve" | "take-back"} name */
  ask(name) {
    this.asking = false;
    this.dispatchEvent(new CustomEvent(name));
  }

  render() {
    const { serving } = this.state;
    return html`<section class="card" aria-labelledby="serving-title">
      <h2 id="serving-title">Serve it</h2>
      ${this.renderState(serving)}
      ${serving.refused === null ? nothing : html`<p class="notice">${serving.refused}.</p>`}
      ${this.mayServe ? nothing : html`<p class="notice">Only a key with the role admin may change what is served.</p>`}
      ${serving.refused === null && this.mayServe ? this.renderChoices(serving) : nothing}
    </section>`;
  }

  /** @param {Serving} serving */
  renderState({ state, model, version, chosen, chosen_by: who, origin, instead_of: former, error }) {
    if (state === "reloading")
      return html`<p role="status" class="waiting">The service is loading it. The former model answers meanwhile.</p>`;
    const failed = error === null ? nothing : html`<p class="notice bad" role="alert">It is not served: ${error}.</p>`;
    if (state === "served")
      return html`${failed}<p role="status">The model <b>${model}</b> is version ${chosen}, which ${who} made from the labels of
          ${origin}. It answers in place of version ${former}, also after a restart of the service.</p>
        <p><a href="/console/breed">Try it with a photo</a></p>`;
    if (chosen !== null)
      return html`${failed}<p>Version ${chosen} was chosen, but the service has version ${version}.</p>`;
    return html`${failed}<p>The service has ${model === null ? "no such model" : html`version ${version} of the model <b>${model}</b>`}.</p>`;
  }

  /** @param {Serving} serving */
  renderChoices({ state, model, version, chosen }) {
    const { bundle } = this.state;
    const isServed = bundle !== null && bundle.version === version;
    if (state === "reloading") return nothing;
    if (this.asking)
      return html`<div class="asked" role="group" aria-label="Are you sure?">
        <p>Everybody who asks ${model} gets the new labels from then on. You can take it back at any time.</p>
        <div class="flow">
          <button class="primary" @click=${() => this.ask("serve")}>Serve it</button>
          <button @click=${() => {
            this.asking = false;
          }}>Not now</button>
        </div>
      </div>`;
    return html`<div class="flow">
      ${
        bundle === null || isServed
          ? nothing
          : html`<button class="primary" @click=${() => {
              this.asking = true;
            }}>Serve version ${bundle.version}…</button>`
      }
      ${chosen === null ? nothing : html`<button @click=${() => this.ask("take-back")}>Serve the former one again</button>`}
    </div>`;
  }
}
customElements.define("shopcat-label-serving", LabelServing);
