/** The form that says what a photo really shows: as feedback, or as a doubt that a person decides. */

import { post, ServiceError } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { breedName, count } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { html, nothing } from "../vendor/lit.js";

/** @import {Answers, Question} from "./ask.js" */

/** Truths that are no breed of the model, by the field that says so. */
const OTHER = new Map([
  ["other_breed", "another breed, or a mix"],
  ["not_a_pet", "no cat and no dog"],
  ["unknown", "nobody can tell"],
]);
const MAX_NOTE = 500;

class WrongForm extends AskingElement {
  static properties = {
    receipt: {},
    answers: { attribute: false },
    question: { attribute: false },
    said: { state: true },
    follow: { state: true },
  };

  constructor() {
    super();
    this.receipt = "";
    /** @type {Answers | null} */
    this.answers = null;
    /** @type {Question | null} */
    this.question = null;
    /** Confirmation of what was sent. */
    this.said = "";
    /** Address that follows an appeal; "" without one. */
    this.follow = "";
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("receipt")) [this.said, this.error, this.follow] = ["", "", ""];
  }

  render() {
    const { answers } = this;
    if (answers === null) return nothing;
    const { classes, kept_days: days } = answers.model;
    return html`<details class="wrong">
      <summary>Is this wrong? Say what the photo shows</summary>
      <form @submit=${this.send}>
        <label>The photo shows
          <select name="truth" required>
            <option value="">choose</option>
            ${classes.map(({ breed }) => html`<option value=${`breed ${breed}`}>${breedName(breed)}</option>`)}
            ${[...OTHER].map(([name, label]) => html`<option value=${name}>${label}</option>`)}
          </select>
        </label>
        <label>How you know it, or why the answer is wrong
          <textarea name="note" rows="3" maxlength=${MAX_NOTE}></textarea>
        </label>
        <p class="hint">Both are stored with the answer's receipt. The photo is not${days === null ? "" : ", unless you agree"}.</p>
        ${
          days === null
            ? nothing
            : html`<label class="switch"><input type="checkbox" name="keep">
                Keep the photo for ${count(days, "day")}, so that the person who decides sees it</label>`
        }
        ${this.renderError()}
        ${this.said ? html`<p class="notice good" role="status">${this.said}</p>` : nothing}
        ${this.follow ? html`<p><a href=${this.follow}>Follow your case; keep this link, it is yours alone</a></p>` : nothing}
        <div class="buttons">
          <button class="primary" value="feedback">Send</button>
          <button value="appeal">Ask a person to decide</button>
        </div>
      </form>
    </details>`;
  }

  /** @param {SubmitEvent} event */
  async send(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const appeals = event.submitter instanceof HTMLButtonElement && event.submitter.value === "appeal";
    const truth = String(form.get("truth"));
    const note = String(form.get("note")).trim();
    const breed = truth.startsWith("breed ") ? truth.slice(6) : null;
    await this.attempt(async () => {
      await (appeals ? this.appeal(breed, truth, note, form.has("keep")) : this.feedback(breed, truth, note));
      announce(this.said);
    });
  }

  /**
   * @param {string | null} breed
   * @param {string} truth
   * @param {string} note
   */
  async feedback(breed, truth, note) {
    const item = { receipt: this.receipt, ...(breed ? { breed } : { [truth]: true }), ...(note && { note }) };
    const answer = await post(`/feedback/${this.answers?.model.name}`, { items: [item] });
    const [result] = answer.results;
    if (result.problem) throw new ServiceError(result.problem.detail, result.problem.status, result.problem);
    this.said =
      result.outcome === "replaced" ? "Thank you. It replaces what you said before." : "Thank you. It is stored.";
  }

  /**
   * @param {string | null} breed
   * @param {string} truth
   * @param {string} note
   * @param {boolean} keeps true if the photo may be kept
   */
  async appeal(breed, truth, note, keeps) {
    const shown = breed ? breedName(breed) : OTHER.get(truth);
    const claim = note || `The photo shows: ${shown}.`;
    const { answers, question } = this;
    const kept = keeps && answers && question ? await answers.keep(question) : null;
    const receipt = kept?.receipt ?? this.receipt;
    const filed = await post("/appeals", { receipt, claim, ...(breed && { breed }) });
    this.follow = `/console/appeal#${filed.case}:${filed.token}`;
    const without = kept?.retained === false ? ", but the service has no room for the photo" : "";
    this.said = `Sent${without}. Your case number is ${filed.case}.`;
  }
}
customElements.define("shopcat-wrong", WrongForm);
