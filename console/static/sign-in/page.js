/** The sign-in page: it turns a key into a cookie that pages can't read. */

import { request, ServiceError } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { announce } from "../shared/live.js";
import { navigate } from "../shared/router.js";
import { forget, session } from "../shared/service.js";
import { html, nothing } from "../vendor/lit.js";

/** @import {Session} from "../shared/answers.js" */

class SignInPage extends AskingElement {
  static properties = {
    query: { attribute: false },
    who: { state: true },
  };

  constructor() {
    super();
    this.query = new URLSearchParams();
    /** @type {Session | null} */
    this.who = null;
  }

  async connectedCallback() {
    super.connectedCallback();
    this.who = await session().catch(() => null);
  }

  render() {
    return html`<section class="card narrow" aria-labelledby="sign-in-title">
      <h1 id="sign-in-title">Sign in</h1>
      <p class="lead">This service asks for a key. Whoever runs it gave you one.</p>
      ${this.who && !this.who.keys ? html`<p class="notice good">You need no key here: this service asks for none.</p>` : nothing}
      ${this.error ? html`<p class="notice bad" role="alert" id="key-error">${this.error}</p>` : nothing}
      <form @submit=${this.signIn}>
        <label for="key">Your key</label>
        <input id="key" name="key" type="password" autocomplete="current-password" required spellcheck="false"
          aria-describedby=${this.error ? "key-error" : "key-hint"} aria-invalid=${this.error !== ""}>
        <p class="hint" id="key-hint">The browser keeps it in a cookie that no page can read, until you sign out.</p>
        <button class="primary" ?disabled=${this.waiting}>${this.waiting ? "Signing in…" : "Sign in"}</button>
      </form>
    </section>`;
  }

  /** @param {SubmitEvent} event */
  async signIn(event) {
    event.preventDefault();
    const key = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("key")).trim();
    const done = await this.attempt(async () => {
      await request("/console/session", { method: "POST", headers: { "x-api-key": key } });
      forget();
      announce("Signed in.");
      navigate(nextAddress(this.query), { replace: true });
    });
    if (!done) /** @type {HTMLInputElement | null} */ (this.querySelector("#key"))?.focus();
  }

  /** @param {unknown} error */
  describe(error) {
    if (error instanceof TypeError) return "A key has only plain letters, digits and signs. Check what you pasted.";
    if (error instanceof ServiceError && error.status === 401)
      return "The service does not know this key. Check it, or ask who runs the service.";
    return super.describe(error);
  }
}
customElements.define("shopcat-sign-in", SignInPage);

/**
 * Return the address to go to: only one of this console, so that a link can't lead elsewhere.
 * @param {URLSearchParams} query
 */
function nextAddress(query) {
  const next = new URL(query.get("next") ?? "/console/", location.origin);
  return next.origin === location.origin && next.pathname.startsWith("/console/") ? next.href : "/console/";
}

export default { title: "Sign in", path: "/console/sign-in", element: "shopcat-sign-in" };
