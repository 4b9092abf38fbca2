/** How good is the model? Answers about photos drawn at random, given without its guess, are the only measure. */

import { PlainElement } from "../../shared/element.js";
import { count, percent, whole } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import { sign } from "../shapes.js";
import { later } from "../store/values.js";
import "./question.js";

/** @import {ProjectStore} from "../store.js" */
/** @import {AuditAnswer, Figure, LabelAgreement} from "../types.js" */

/** Answers from which the figure is known; as in `labelling.learning.audit`. */
const KNOWN_FROM = 30;

class LabelAudit extends PlainElement {
  static properties = {
    store: { attribute: false },
    audit: { state: true },
    agreement: { state: true },
    photo: { state: true },
    asking: { state: true },
    drawing: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {AuditAnswer | null} */
    this.audit = null;
    /** @type {LabelAgreement | null} */
    this.agreement = null;
    this.photo = "";
    /** Queue that is open: blind questions of the audit, or second opinions. @type {"" | "audit" | "second"} */
    this.asking = "";
    this.drawing = false;
    /** After answers, also those of others. */
    this.onAnswers = later(300, () => this.photo || this.load());
    /** After labels: the figure stays, because each look at it counts; it is asked for again with the next answer. */
    this.onLabels = later(700, () => this.photo || this.load(this.audit?.figure ?? null));
    /** After a step that took answers back: the same photos are asked about again. */
    this.onUndone = () => (this.asking ? this.start(this.asking) : this.load());
    this.onNames = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    this.store.addEventListener("audit", this.onAnswers);
    this.store.addEventListener("answers", this.onUndone);
    this.store.addEventListener("labels", this.onLabels);
    this.store.addEventListener("names", this.onNames);
    this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.store.removeEventListener("audit", this.onAnswers);
    this.store.removeEventListener("answers", this.onUndone);
    this.store.removeEventListener("labels", this.onLabels);
    this.store.removeEventListener("names", this.onNames);
    this.onAnswers.cancel();
    this.onLabels.cancel();
  }

  /** @param {Figure | null} [kept] figure that is not asked for again */
  async load(kept = null) {
    const { store } = this;
    const [audit, agreement] = await Promise.all([
      kept === null ? store.attempt(() => store.api.send("POST", "/audit/figure")) : null,
      store.attempt(() => store.api.get("/agreement")),
    ]);
    this.audit = audit ?? this.audit;
    this.agreement = agreement ?? this.agreement;
  }

  /** @param {"audit" | "second"} queue */
  async start(queue) {
    this.asking = queue;
    const path = queue === "audit" ? "/audit/next" : "/second-opinions";
    await this.show(await this.store.attempt(() => this.store.api.send("POST", path)));
  }

  /** @param {{photo: {sha256: string} | null} | null} found */
  async show(found) {
    this.photo = found?.photo?.sha256 ?? "";
    if (!this.photo) {
      this.asking = "";
      if (found) this.store.say("No photo waits.");
      await this.load();
    }
    await this.updateComplete;
    this.focusOn(this.photo ? "shopcat-label-question" : "#audit-title");
  }

  /** Leave the questions, if one is open. */
  back() {
    if (this.photo) this.stop();
  }

  async stop() {
    this.photo = "";
    this.asking = "";
    await this.load();
    await this.updateComplete;
    this.focusOn("#audit-title");
  }

  /** @param {number | null} label */
  async give(label) {
    const { store, photo } = this;
    if (!photo || label === null) {
      store.say("Press Ask me first: labels are given here one photo at a time.");
      return;
    }
    if (this.asking === "second") {
      const next = await store.attempt(() => store.api.send("POST", "/second-opinions", { photo, label }));
      if (next === null) return;
      store.say(`Answered: ${store.nameOf(label)}.`);
      await this.show(next);
      return;
    }
    const audit = await store.attempt(() => store.api.send("POST", "/audit", { photo, label }));
    if (audit === null) return;
    store.countAudit(audit);
    store.say(`Answered: ${store.nameOf(label)}. ${count(audit.open, "photo")} left.`);
    await this.show(await store.attempt(() => store.api.send("POST", "/audit/next")));
  }

  async draw() {
    this.drawing = false;
    const audit = await this.store.attempt(() => this.store.api.send("POST", "/audit/draw"));
    if (audit === null) return;
    this.audit = audit;
    this.store.countAudit(audit);
    this.store.say("Fresh photos are drawn. The ones from before join the others.");
  }

  render() {
    if (this.photo) return this.renderQuestion();
    const { audit } = this;
    return html`<section class="card" aria-labelledby="audit-title">
      <h2 id="audit-title" tabindex="-1">How good is the model?</h2>
      ${audit === null ? html`<p class="waiting">Asking…</p>` : this.renderAudit(audit)}
    </section>
    ${this.agreement ? this.renderAgreement(this.agreement) : nothing}`;
  }

  renderQuestion() {
    const second = this.asking === "second";
    return html`<section class="card next-card" aria-label="Blind question">
      <shopcat-label-question .store=${this.store} .photo=${this.photo} heading="What is it?"
        hint=${`${second ? "Somebody has labelled this photo: you don't see how." : "You see no guess, so that it can't sway you."} Choose a label above.`}>
      </shopcat-label-question>
      <div class="flow"><button @click=${this.stop}>Enough for now <kbd>Esc</kbd></button></div>
    </section>`;
  }

  /** @param {AuditAnswer} audit */
  renderAudit({ asked, answered, open, draw, looks, figure, text }) {
    return html`
      <div class="accuracy">${
        figure === null
          ? html`<b>Not yet known</b><progress max=${KNOWN_FROM} .value=${Math.min(answered, KNOWN_FROM)} aria-label="Answers until the figure is known"></progress>`
          : html`<b>${percent(figure.share)}</b> <span>accuracy, between ${percent(figure.low)} and ${percent(figure.high)}</span>`
      }</div>
      ${figure === null ? html`<p>${text}</p>` : nothing}
      <p class="hint">${whole(answered)} of ${count(asked, "random photo")} answered${draw > 1 ? `, draw ${draw}` : ""}.
        They are held back: not on the map, and the model never learns from them.
        ${looks > 1 ? `The figure was looked at for ${looks} models: draw fresh photos now and then.` : ""}</p>
      <div class="flow">
        <button class="primary" ?disabled=${open === 0} @click=${() => this.start("audit")}>Ask me</button>
        <button aria-expanded=${this.drawing} @click=${() => {
          this.drawing = !this.drawing;
        }}>Draw fresh photos…</button>
      </div>
      ${
        this.drawing
          ? html`<div class="asked"><p>Fresh photos have no answer yet, so the figure begins again. The ones from before join the
            other photos, and may be learned from.</p><button class="primary" @click=${this.draw}>Draw fresh photos</button></div>`
          : nothing
      }
      ${figure && figure.by_label.length > 0 ? this.renderLabels(figure) : nothing}`;
  }

  /** @param {Figure} figure */
  renderLabels({ by_label: labels }) {
    const { names } = this.store;
    return html`<h3>By label</h3><div class="scroll" tabindex="0" role="region" aria-label="Accuracy by label"><table class="plain compact">
      <thead><tr><th scope="col">Label</th><th scope="col" class="number">Right</th><th scope="col" class="number">Accuracy</th></tr></thead>
      <tbody>${labels.map(
        ({
          label,
          right,
          of,
          share,
          low,
          high,
        }) => html`<tr><th scope="row">${sign(names.get(label))} ${this.store.nameOf(label)}</th>
          <td class="number">${right} of ${of}</td>
          <td class="number">${share === null ? "not yet known" : `${percent(share)} (${percent(low ?? 0)} to ${percent(high ?? 1)})`}</td></tr>`,
      )}</tbody></table></div>`;
  }

  /** @param {LabelAgreement} agreement */
  renderAgreement({ photos, agreed, kappa, interval, waiting }) {
    const range = interval ? ` (${interval.map((end) => end.toFixed(2)).join(" to ")})` : "";
    return html`<section class="card" aria-labelledby="agreement-title">
      <h2 id="agreement-title">Do people agree?</h2>
      <p>${
        photos === 0
          ? "No photo has labels of two people yet."
          : `Two people gave the same label to ${agreed} of ${count(photos, "photo")}${kappa === null ? "." : `, kappa ${kappa.toFixed(2)}${range}. 1 is full agreement, 0 is chance.`}`
      }</p>
      <p class="hint">A tenth of the photos waits for a second opinion, of somebody who doesn't see the first.</p>
      <button ?disabled=${waiting === 0} @click=${() => this.start("second")}>Give a second opinion${waiting ? ` (${whole(waiting)} wait)` : ""}</button>
    </section>`;
  }
}
customElements.define("shopcat-label-audit", LabelAudit);
