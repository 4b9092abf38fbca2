/** Appeals that wait: a reviewer takes one, looks at it, and decides with a reason. */

import { post, request } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { breedName, percent } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { html, nothing } from "../vendor/lit.js";
import "./breed-search.js";
import { APPEAL_STATES, moment, verdictWords } from "./words.js";

/** @import {AppealList, AppealSummary, ReviewedAppeal} from "./answers.js" */

/** @type {Record<string, string>} */
const DECISIONS = {
  upheld: "The model's answer stands",
  changed: "The photo shows something else",
  declined: "It can't be decided",
};

class ReviewAppeals extends AskingElement {
  static properties = {
    list: { state: true },
    current: { state: true },
    decision: { state: true },
    breed: { state: true },
  };

  constructor() {
    super();
    /** @type {AppealList | null} */
    this.list = null;
    /** @type {ReviewedAppeal | null} */
    this.current = null;
    this.decision = "";
    /** @type {string | null} */
    this.breed = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  load() {
    return this.attempt(async () => {
      this.list = await request("/appeals");
    });
  }

  /** @param {AppealSummary} appeal */
  async open(appeal) {
    const done = await this.attempt(async () => {
      const address = `/appeals/${appeal.case}`;
      this.current = appeal.state === "open" ? await post(address, { action: "assign" }) : await request(address);
      this.decision = "";
      this.breed = null;
    });
    await this.load();
    await this.updateComplete;
    if (done) /** @type {HTMLElement | null} */ (this.querySelector(".appeal"))?.focus();
  }

  /**
   * @param {object} step
   * @param {string} message
   */
  async send(step, message) {
    const current = this.current;
    if (current === null) return;
    const done = await this.attempt(() => post(`/appeals/${current.case}`, step));
    if (!done) return;
    this.current = null;
    announce(message);
    await this.load();
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector("#appeals-title"))?.focus();
  }

  /** @param {SubmitEvent} event */
  decide(event) {
    event.preventDefault();
    const reason = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("reason"));
    const breed = this.decision === "changed" && this.breed !== null ? { breed: this.breed } : {};
    this.send({ action: "decide", decision: this.decision, reason, ...breed }, "Decided.");
  }

  render() {
    const appeals = this.list?.appeals ?? [];
    return html`<section class="card" aria-labelledby="appeals-title">
      <div class="card-head"><h2 id="appeals-title" tabindex="-1">Appeals</h2>
        <p class="hint">${this.list === null ? "Asking…" : `${appeals.length} wait, ${this.list.overdue} overdue.`}</p></div>
      ${this.renderError()}
      ${appeals.length === 0 ? html`<p>No appeal waits for a decision.</p>` : this.renderList(appeals)}
      ${this.current === null ? nothing : this.renderAppeal(this.current)}
    </section>`;
  }

  /** @param {AppealSummary[]} appeals */
  renderList(appeals) {
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Appeals that wait"><table class="plain">
      <thead><tr><th scope="col">Case</th><th scope="col">Due</th><th scope="col">State</th><th scope="col">Action</th></tr></thead>
      <tbody>${appeals.map(
        (appeal) => html`<tr>
          <th scope="row">${appeal.case}</th>
          <td>${moment(appeal.due)}${appeal.overdue ? html` <span class="state bad">Overdue</span>` : nothing}</td>
          <td>${appeal.assigned_to ? `With ${appeal.assigned_to}` : APPEAL_STATES[appeal.state]}</td>
          <td>${
            appeal.state === "open" && !appeal.may_decide
              ? html`<span class="muted">Not for you: you answered about this photo, or sent it</span>`
              : html`<button aria-label=${`${appeal.state === "open" ? "Take" : "Look at"} ${appeal.case}`}
                @click=${() => this.open(appeal)}>${appeal.state === "open" ? "Take" : "Look"}</button>`
          }</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }

  /** @param {ReviewedAppeal} appeal */
  renderAppeal(appeal) {
    const { prediction } = appeal;
    return html`<article class="appeal" tabindex="-1" aria-labelledby="appeal-title">
      <h3 id="appeal-title">${appeal.case}</h3>
      <div class="case-columns">
        <div class="photo">${
          appeal.photo
            ? html`<img src=${appeal.photo} alt="Photo of the appeal">`
            : html`<p class="notice">No photo is kept for this answer. The sender can send it again, to be kept for an appeal.</p>`
        }</div>
        <div class="answering">
          <dl class="pairs">
            <dt>The sender says</dt><dd><q class="claim">${appeal.claim}</q></dd>
            ${appeal.breed ? html`<dt>Breed according to the sender</dt><dd>${breedName(appeal.breed)}</dd>` : nothing}
            ${prediction ? html`<dt>The model said</dt><dd>${breedName(prediction.breed)} (${percent(prediction.probability)})</dd>` : nothing}
            ${appeal.opinions.map((given) => html`<dt>Reviewer ${given.who}</dt><dd>${verdictWords(given)}</dd>`)}
            <dt>Due</dt><dd>${moment(appeal.due)}</dd>
          </dl>
          ${appeal.photo !== null || appeal.state === "assigned" ? this.renderDecision(appeal) : nothing}
        </div>
      </div>
    </article>`;
  }

  /** @param {ReviewedAppeal} appeal */
  renderDecision(appeal) {
    return html`<form @submit=${this.decide}>
      <fieldset><legend class="label">Decision</legend>
        ${Object.entries(DECISIONS).map(
          ([value, words]) => html`<label class="switch"><input type="radio" name="decision" value=${value} required
            .checked=${this.decision === value} @change=${() => {
              this.decision = value;
            }}> ${words}</label>`,
        )}
      </fieldset>
      ${
        this.decision === "changed"
          ? html`<shopcat-breed-search id="appeal-breed" .classes=${appeal.classes} label="Search for the right breed"
            @breed=${(/** @type {CustomEvent<string>} */ event) => {
              this.breed = event.detail;
            }}></shopcat-breed-search>
            <p>Right answer: <strong>${this.breed === null ? "no breed of the model" : breedName(this.breed)}</strong></p>`
          : nothing
      }
      <label>Reason, which the sender reads
        <textarea name="reason" required maxlength="500" rows="3"></textarea></label>
      <div class="verdicts">
        <button class="primary" ?disabled=${this.decision === ""}>Decide</button>
        <button type="button" @click=${() => this.send({ action: "release" }, "Given back.")}>Give back</button>
      </div>
    </form>`;
  }
}
customElements.define("shopcat-review-appeals", ReviewAppeals);
