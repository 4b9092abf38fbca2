/** Photos of the queue, one at a time: look, answer, see what the model said, go on. */

import { post, request } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { breedName, count, percent } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { html, nothing } from "../vendor/lit.js";
import "./breed-search.js";
import { clock, moment, period, REASONS, SHORT_REASONS, SKIPS, verdictWords } from "./words.js";

/** @import {Case, Queue, Verdict} from "./answers.js" */

/** @typedef {{verdict: Verdict, breed: string | null}} Choice */

const SWITCH = "shopcat.review.keys";
/** @type {Record<string, Verdict>} */
const LETTERS = { o: "other_breed", n: "not_a_pet", c: "cant_tell" };

class ReviewPhotos extends AskingElement {
  static properties = {
    queue: { state: true },
    current: { state: true },
    choice: { state: true },
    answered: { state: true },
    skipping: { state: true },
    filters: { state: true },
    keys: { state: true },
    help: { state: true },
  };

  constructor() {
    super();
    /** @type {Queue | null} */
    this.queue = null;
    /** @type {Case | null} */
    this.current = null;
    /** @type {Choice | null} */
    this.choice = null;
    this.answered = false;
    this.skipping = false;
    /** @type {Record<string, string>} */
    this.filters = {};
    this.keys = localStorage.getItem(SWITCH) !== "off";
    this.help = false;
  }

  connectedCallback() {
    super.connectedCallback();
    this.onKeyDown = this.onKeyDown.bind(this);
    this.addEventListener("keydown", this.onKeyDown);
    this.next({ quiet: true });
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.removeEventListener("keydown", this.onKeyDown);
  }

  /**
   * Take the next photo.
   * @param {{quiet?: boolean}} [options] quiet: leave the focus where it is
   */
  async next({ quiet = false } = {}) {
    await this.attempt(async () => {
      this.current = await post("/review", this.filters);
      this.queue = await request(`/review?${new URLSearchParams(this.filters)}`);
      this.choice = null;
      this.answered = false;
      this.skipping = false;
      if (this.current === null) announce("No photo waits for you.");
      else announce(`Next photo. ${REASONS[this.current.reason] ?? ""}`);
    });
    await this.updateComplete;
    if (!quiet) /** @type {HTMLElement | null} */ (this.querySelector(".case"))?.focus();
  }

  /** @param {string} note */
  async save(note) {
    const [current, choice] = [this.current, this.choice];
    if (current === null || choice === null || this.answered) return;
    const body = { verdict: choice.verdict, note, ...(choice.breed === null ? {} : { breed: choice.breed }) };
    await this.attempt(async () => {
      this.current = await post(`/review/${current.id}`, body);
      this.answered = true;
      announce(`Saved: ${verdictWords(choice)}. ${this.comparison()}`);
    });
    await this.updateComplete;
    if (this.answered) /** @type {HTMLElement | null} */ (this.querySelector("#next"))?.focus();
  }

  /** @param {string} reason */
  async skip(reason) {
    const current = this.current;
    if (current === null) return;
    const done = await this.attempt(() => post(`/review/${current.id}`, { verdict: "skip", reason }));
    if (done) await this.next();
  }

  /** Return in words whether the model said the same. */
  comparison() {
    const { prediction, opinions } = this.current ?? {};
    if (!prediction || !this.choice) return "";
    const said = `The model said ${breedName(prediction.breed)} (${percent(prediction.probability)})`;
    const same = this.choice.breed === prediction.breed;
    const others = (opinions ?? []).slice(0, -1).map((given) => verdictWords(given));
    return `${said}: ${same ? "the same" : "not the same"}.${others.length ? ` Other reviewers: ${others.join(", ")}.` : ""}`;
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const types = target.matches("input:not([type=radio], [type=checkbox]), textarea, select");
    if (types || !this.keys || this.current === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const top = this.current.prediction?.top ?? [];
    const letter = LETTERS[event.key];
    if (event.key === "?") this.help = !this.help;
    else if (this.answered || this.skipping) return;
    else if (/^[1-9]$/.test(event.key) && top[Number(event.key) - 1])
      this.choose("breed", top[Number(event.key) - 1]?.breed);
    else if (letter) this.choose(letter);
    else if (event.key === "s") this.askSkip();
    else if (event.key === "/") /** @type {HTMLElement | null} */ (this.querySelector("#review-breed"))?.focus();
    else return;
    event.preventDefault();
  }

  /**
   * @param {Verdict} verdict
   * @param {string | null} [breed]
   */
  async choose(verdict, breed = null) {
    if (this.waiting) return; // another photo is on its way, and the choice would be lost
    this.choice = { verdict, breed };
    announce(`Chosen: ${verdictWords(this.choice)}. Press Enter to save.`);
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector("#save"))?.focus();
  }

  async askSkip() {
    this.skipping = true;
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector(".skips button"))?.focus();
  }

  render() {
    return html`
      ${this.renderQueue()}
      ${this.renderError()}
      ${this.current === null ? this.renderNothing() : this.renderCase(this.current)}`;
  }

  renderQueue() {
    const queue = this.queue;
    const counts = Object.entries(queue?.counts ?? {});
    return html`<section class="card" aria-labelledby="queue-title">
      <div class="card-head"><h2 id="queue-title">Queue</h2>
        <p class="hint">${
          queue === null
            ? "Asking…"
            : html`
          <strong>${count(queue.waiting, "photo")}</strong> for you.
          ${counts.map(([reason, number]) => html`${SHORT_REASONS[reason]}: ${number}. `)}
          ${counts.length ? `The oldest waits for ${period(queue.oldest_seconds)}.` : ""}
          You answered ${queue.answered_today} today. ${agreementWords(queue)}`
        }</p>
      </div>
      <div class="controls">
        ${this.renderFilter("reason", "Reason", SHORT_REASONS)}
        ${this.renderFilter("waiting_for", "Opinion", { first: "First", second: "Second", third: "Deciding" })}
      </div>
    </section>`;
  }

  /**
   * @param {string} name
   * @param {string} label
   * @param {Record<string, string>} values
   */
  renderFilter(name, label, values) {
    return html`<label>${label}
      <select name=${name} @change=${this.filter}>
        <option value="">All</option>
        ${Object.entries(values).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
      </select></label>`;
  }

  /** @param {Event} event */
  filter(event) {
    const { name, value } = /** @type {HTMLSelectElement} */ (event.target);
    const others = Object.entries(this.filters).filter(([other]) => other !== name);
    this.filters = Object.fromEntries(value ? [...others, [name, value]] : others);
    this.next({ quiet: true });
  }

  renderNothing() {
    return html`<section class="card waiting">
      <h2>${this.queue === null ? "Asking for the next photo…" : "No photo waits for you"}</h2>
      ${
        this.queue === null
          ? nothing
          : html`<p>Photos come here if the service keeps them for a review, and the client agrees.</p>
        <button id="next" @click=${() => this.next()}>Look again</button>`
      }
    </section>`;
  }

  /** @param {Case} current */
  renderCase(current) {
    const { prediction } = current;
    return html`<section class="card case" tabindex="-1" aria-labelledby="case-title" aria-busy=${this.waiting}>
      <div class="card-head"><h2 id="case-title">Which breed is it?</h2>
        ${current.lease_until ? html`<p class="hint lease">Yours until ${clock(current.lease_until)}</p>` : nothing}</div>
      <p>${REASONS[current.reason]} <span class="muted">Asked on ${moment(current.since)}.</span></p>
      <div class="case-columns">
        <div class="photo">${
          current.photo
            ? html`<img src=${current.photo} alt="Photo to review">`
            : html`<p class="notice">The photo is deleted.</p>`
        }</div>
        <div class="answering">
          ${
            prediction === null
              ? html`<p class="notice" id="blind">The model's answer is hidden until you have answered, so that it can't sway you.</p>`
              : this.renderTop(current)
          }
          ${this.answered ? this.renderAnswered() : this.skipping ? renderSkips(this) : this.renderChoices(current)}
        </div>
      </div>
      ${this.renderHelp()}
    </section>`;
  }

  /** @param {Case} current */
  renderTop({ prediction }) {
    if (prediction === null) return nothing;
    return html`<h3>The model's guesses</h3>
      <ol class="top">${prediction.top.map(
        ({ breed, probability }, index) => html`<li><button class=${this.choice?.breed === breed ? "chosen" : ""}
          aria-pressed=${this.choice?.breed === breed} ?disabled=${this.answered} @click=${() => this.choose("breed", breed)}>
          <kbd>${index + 1}</kbd> ${breedName(breed)} <span class="muted">${percent(probability)}</span></button></li>`,
      )}</ol>`;
  }

  /** @param {Case} current */
  renderChoices({ classes }) {
    const others = /** @type {[Verdict, string][]} */ (Object.entries(LETTERS).map(([key, verdict]) => [verdict, key]));
    return html`
      <shopcat-breed-search id="review-breed" .classes=${classes}
        @breed=${(/** @type {CustomEvent<string>} */ event) => this.choose("breed", event.detail)}></shopcat-breed-search>
      <div class="verdicts">
        ${others.map(
          ([verdict, key]) => html`<button class=${this.choice?.verdict === verdict ? "chosen" : ""}
            aria-pressed=${this.choice?.verdict === verdict} @click=${() => this.choose(verdict)}>
            <kbd>${key}</kbd> ${verdictWords({ verdict, breed: null })}</button>`,
        )}
        <button @click=${this.askSkip}><kbd>s</kbd> Skip</button>
      </div>
      <form @submit=${this.onSave}>
        <details><summary>Add a note</summary><label>Note for other reviewers and the export
          <textarea name="note" maxlength="500" rows="2"></textarea></label></details>
        <p class="chosen-words">${this.choice === null ? "Nothing chosen yet." : html`Your answer: <strong>${verdictWords(this.choice)}</strong>`}</p>
        <button id="save" class="primary" ?disabled=${this.choice === null || this.waiting}>Save</button>
      </form>`;
  }

  /** @param {SubmitEvent} event */
  onSave(event) {
    event.preventDefault();
    this.save(String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("note") ?? "").trim());
  }

  renderAnswered() {
    return html`<p class="notice good">Saved: <strong>${this.choice && verdictWords(this.choice)}</strong>. ${this.comparison()}</p>
      <button id="next" class="primary" @click=${() => this.next()}>Next photo</button>`;
  }

  renderHelp() {
    return html`<details class="keys" ?open=${this.help} @toggle=${(/** @type {Event} */ event) => {
      this.help = /** @type {HTMLDetailsElement} */ (event.target).open;
    }}>
      <summary>Keys</summary>
      <ul class="notes">
        <li><kbd>1</kbd> to <kbd>9</kbd> choose one of the model's guesses, <kbd>/</kbd> searches for a breed.</li>
        <li><kbd>o</kbd> another breed, <kbd>n</kbd> no cat and no dog, <kbd>c</kbd> can't tell, <kbd>s</kbd> skip.</li>
        <li><kbd>Enter</kbd> saves, then goes on. <kbd>?</kbd> opens and closes this list.</li>
      </ul>
      <label class="switch"><input type="checkbox" .checked=${this.keys} @change=${this.switchKeys}> Use these single keys</label>
    </details>`;
  }

  /** @param {Event} event */
  switchKeys(event) {
    this.keys = /** @type {HTMLInputElement} */ (event.target).checked;
    localStorage.setItem(SWITCH, this.keys ? "on" : "off");
  }
}
customElements.define("shopcat-review-photos", ReviewPhotos);

/** @param {ReviewPhotos} page */
function renderSkips(page) {
  return html`<div class="skips" role="group" aria-labelledby="skip-title">
    <h3 id="skip-title">Why do you skip it?</h3>
    ${Object.entries(SKIPS).map(([reason, words]) => html`<button @click=${() => page.skip(reason)}>${words}</button>`)}
    <button class="quiet" @click=${() => {
      page.skipping = false;
    }}>Back</button>
  </div>`;
}

/** @param {Queue} queue */
function agreementWords({ agreement: { pairs, share, kappa } }) {
  if (share === null) return "No photo has two answers yet.";
  const beyond = kappa === null ? "" : `, kappa ${kappa.toFixed(2)}`;
  return `Reviewers agree on ${percent(share)} of ${count(pairs, "photo")} with two answers${beyond}.`;
}
