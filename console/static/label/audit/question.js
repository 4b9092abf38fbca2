/** One photo to label, large enough to see what it shows. */

import { PlainElement } from "../../shared/element.js";
import { html, nothing } from "../../vendor/lit.js";

/** @import {ProjectStore} from "../store.js" */

class LabelQuestion extends PlainElement {
  static properties = {
    store: { attribute: false },
    photo: {},
    heading: {},
    hint: {},
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** Hash of the photo. */
    this.photo = "";
    this.heading = "";
    this.hint = "";
  }

  async focus() {
    await this.updateComplete; // a new question is not on the page yet
    this.focusOn(".question");
  }

  render() {
    return html`<div class="question" tabindex="0" role="group" aria-label=${`${this.heading} ${this.hint}`}>
      <h2>${this.heading}</h2>
      ${this.hint ? html`<p class="hint">${this.hint}</p>` : nothing}
      <img src=${this.store.thumb(this.photo, 1024)} alt="Photo to label">
    </div>`;
  }
}
customElements.define("shopcat-label-question", LabelQuestion);

export { LabelQuestion };
