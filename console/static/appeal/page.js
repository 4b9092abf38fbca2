/** The appeal page of the client: doubt an answer with its receipt, and follow it by case number and token. */

import { APPEAL_STATES, moment, STEPS } from "../review/words.js";
import { post, request } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { breedName, percent } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { html, nothing } from "../vendor/lit.js";

/** @import {Appeal} from "../review/answers.js" */

/** Return the case number and the token of the address: they stand after #, which no browser sends to a server. */
function ofAddress() {
  const [number = "", token = ""] = location.hash.slice(1).split(":");
  return { number: decodeURIComponent(number), token };
}

class AppealPage extends AskingElement {
  static properties = {
    query: { attribute: false },
    appeal: { state: true },
    sent: { state: true },
  };

  constructor() {
    super();
    this.query = new URLSearchParams();
    /** @type {Appeal | null} */
    this.appeal = null;
    this.sent = false;
    this.token = "";
  }

  connectedCallback() {
    super.connectedCallback();
    const { number, token } = ofAddress();
    if (number && token) this.open(number, token);
  }

  /**
   * @param {string} number
   * @param {string} token
   */
  async open(number, token) {
    await this.attempt(async () => {
      const options = { headers: { "x-appeal-token": token } };
      this.appeal = await request(`/appeals/${encodeURIComponent(number)}`, options);
      this.token = token;
      announce(`${number}: ${APPEAL_STATES[this.appeal?.state ?? ""]}`);
    });
  }

  /** @param {unknown} error */
  describe(error) {
    if (error instanceof TypeError) return "A token has only digits and the letters a to f. Check what you pasted.";
    return super.describe(error);
  }

  /** @param {SubmitEvent} event */
  async onOpen(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    await this.open(String(form.get("number")).trim(), String(form.get("token")).trim());
  }

  /** @param {SubmitEvent} event */
  async onFile(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const breed = String(form.get("breed") ?? "").trim();
    const body = { receipt: String(form.get("receipt")).trim(), claim: String(form.get("claim")).trim() };
    await this.attempt(async () => {
      const filed = await post("/appeals", breed ? { ...body, breed } : body);
      this.appeal = filed;
      this.token = filed.token;
      this.sent = true;
      history.replaceState(null, "", `#${filed.case}:${filed.token}`);
      announce(`Sent. Your case number is ${filed.case}.`);
    });
  }

  async withdraw() {
    const appeal = this.appeal;
    if (appeal === null) return;
    await this.attempt(async () => {
      const options = { headers: { "x-appeal-token": this.token } };
      this.appeal = await post(`/appeals/${appeal.case}`, { action: "withdraw" }, options);
      announce("Withdrawn.");
    });
  }

  render() {
    return html`
      <div class="head">
        <h1>Doubt an answer</h1>
        <p class="lead">A person who has not answered about your photo before looks at it and decides.</p>
      </div>
      ${this.renderError()}
      ${this.appeal === null ? this.renderForms() : this.renderAppeal(this.appeal)}`;
  }

  renderForms() {
    return html`
      <section class="card" aria-labelledby="follow-title">
        <h2 id="follow-title">Follow your appeal</h2>
        <form @submit=${this.onOpen}>
          <div class="controls">
            <label>Case number<input name="number" required spellcheck="false" autocomplete="off" placeholder="a-7k2m-q90x"></label>
            <label>Token<input name="token" required spellcheck="false" autocomplete="off"></label>
          </div>
          <button class="primary">Open</button>
        </form>
      </section>
      <section class="card" aria-labelledby="file-title">
        <h2 id="file-title">New appeal</h2>
        <form @submit=${this.onFile}>
          <label>Receipt of the answer
            <textarea name="receipt" required rows="3" spellcheck="false" .value=${this.query.get("receipt") ?? ""}></textarea></label>
          <p class="hint">The service's answer has it as <code>receipt</code>.</p>
          <label>Breed that the photo shows, if you know it<input name="breed" maxlength="100" autocomplete="off"></label>
          <label>Why do you doubt the answer?<textarea name="claim" required maxlength="500" rows="4"></textarea></label>
          <button class="primary">Send</button>
        </form>
      </section>`;
  }

  /** @param {Appeal} appeal */
  renderAppeal(appeal) {
    const { prediction } = appeal;
    const undecided = appeal.state === "open" || appeal.state === "assigned";
    return html`<section class="card" aria-labelledby="appeal-title">
      <div class="card-head"><h2 id="appeal-title">Case ${appeal.case}</h2>
        <p class="state ${appeal.state}">${APPEAL_STATES[appeal.state]}</p></div>
      ${
        this.sent
          ? html`<p class="notice good">Keep this page's address: with the case number and the token, it is the only way back.
        Number <code>${appeal.case}</code>, token <code id="token">${this.token}</code></p>`
          : nothing
      }
      <dl class="pairs">
        <dt>You wrote</dt><dd><q class="claim">${appeal.claim}</q></dd>
        ${appeal.breed ? html`<dt>Breed according to you</dt><dd>${breedName(appeal.breed)}</dd>` : nothing}
        ${prediction ? html`<dt>The model said</dt><dd>${breedName(prediction.breed)} (${percent(prediction.probability)})</dd>` : nothing}
        ${undecided ? html`<dt>Decision by</dt><dd>${moment(appeal.due)}${appeal.overdue ? " – it is overdue" : ""}</dd>` : nothing}
        ${appeal.decided ? html`<dt>Decided</dt><dd>${moment(appeal.decided)}</dd>` : nothing}
        ${appeal.decided_breed ? html`<dt>Right answer</dt><dd>${breedName(appeal.decided_breed)}</dd>` : nothing}
        ${appeal.reason ? html`<dt>Reason</dt><dd><q class="claim">${appeal.reason}</q></dd>` : nothing}
      </dl>
      <h3>Steps so far</h3>
      <ol class="notes">${appeal.steps.map((step) => html`<li>${moment(step.at)}: ${STEPS[step.action]}</li>`)}</ol>
      ${undecided ? html`<p><button @click=${this.withdraw}>Withdraw it</button></p>` : nothing}
    </section>`;
  }
}
customElements.define("shopcat-appeal", AppealPage);

export default { title: "Doubt an answer", path: "/console/appeal", element: "shopcat-appeal" };
