/** Bases of the console's elements, which render into the page itself. */

import { html, LitElement, nothing } from "../vendor/lit.js";
import { ServiceError } from "./api.js";

/** An element without a shadow root, so that the style sheets of the page apply. */
export class PlainElement extends LitElement {
  createRenderRoot() {
    return this;
  }

  /**
   * Focus the first element of a selector, if there is one.
   * @param {string} selector
   */
  focusOn(selector) {
    const found = this.querySelector(selector);
    if (found instanceof HTMLElement) found.focus();
  }
}

/** An element that asks the service, and shows its problems in words. */
export class AskingElement extends PlainElement {
  /** @type {import("lit").PropertyDeclarations} */
  static properties = {
    error: { state: true },
    waiting: { state: true },
  };

  constructor() {
    super();
    /** Problem in words; "" without one. */
    this.error = "";
    /** True while the service is asked. */
    this.waiting = false;
  }

  /**
   * Run a step and return true, or show the problem that it meets and return false.
   * @param {() => Promise<unknown>} run
   */
  async attempt(run) {
    this.error = "";
    this.waiting = true;
    try {
      await run();
      return true;
    } catch (error) {
      this.error = this.describe(error);
      return false;
    } finally {
      this.waiting = false;
    }
  }

  /**
   * Return a problem in words. A fault of the page itself is thrown again, for the browser's console.
   * @param {unknown} error
   */
  describe(error) {
    if (!(error instanceof ServiceError)) throw error;
    return error.message;
  }

  renderError() {
    return this.error ? html`<p class="notice bad" role="alert">${this.error}</p>` : nothing;
  }
}
