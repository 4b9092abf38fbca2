/** The page that names the breed in a photo, and shows where the network looked. */

import { AskingElement } from "../shared/element.js";
import { breedName, percent } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { petsModel } from "../shared/service.js";
import { html, nothing } from "../vendor/lit.js";
import { Answers } from "./ask.js";
import { controls } from "./controls.js";
import { paint, paintScale } from "./heatmap.js";
import { result } from "./result.js";
import "./wrong.js";

/** @import {PetsModel, Prediction} from "../shared/answers.js" */
/** @import {Question} from "./ask.js" */

/** Longer side of the picture, pixels. */
const LONGEST = 720;
/** A photo that anybody may use: "Chelsea", photographed by Stefan van der Walt, CC0. */
const SAMPLE = "/console/breed/sample.jpg";

class BreedPage extends AskingElement {
  static properties = {
    query: { attribute: false },
    model: { state: true },
    answers: { state: true },
    bitmap: { state: true },
    question: { state: true },
    answer: { state: true },
    opacity: { state: true },
    over: { state: true },
  };

  constructor() {
    super();
    /** @type {PetsModel | null} */
    this.model = null;
    /** A photo that came before the page knew the model. @type {File | null} */
    this.early = null;
    /** @type {Answers | null} */
    this.answers = null;
    /** The photo as the browser decodes it; null if it can't. @type {ImageBitmap | null} */
    this.bitmap = null;
    /** @type {Question} */
    this.question = { method: "gradcam", class: "", versus: "", closer: false };
    /** @type {Prediction | null} */
    this.answer = null;
    this.opacity = 0.6;
    this.over = false;
    this.onPaste = this.onPaste.bind(this);
  }

  async connectedCallback() {
    super.connectedCallback();
    document.addEventListener("paste", this.onPaste);
    try {
      this.model = (await petsModel()) ?? null;
      if (this.model === null) this.error = "This service has no pets model.";
      else if (this.early) this.take(this.early);
    } catch (error) {
      this.fail(error);
    }
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("paste", this.onPaste);
  }

  /**
   * Ask about a photo.
   * @param {File} file
   */
  async take(file) {
    if (this.model === null) {
      this.early = file; // until the page knows the model's name
      return;
    }
    this.answers = new Answers(this.model, file);
    this.answer = null;
    this.question = { ...this.question, class: "", versus: "" };
    this.bitmap?.close();
    this.bitmap = null;
    this.ask();
    const { answers } = this;
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (this.answers === answers) this.bitmap = bitmap;
    else bitmap?.close();
  }

  async ask() {
    const { answers, question } = this;
    if (answers === null) return;
    this.waiting = true;
    this.error = "";
    try {
      const answer = await answers.ask(question);
      // Meanwhile the person may have chosen another photo or heatmap.
      if (this.answers !== answers || this.question !== question) return;
      this.waiting = false;
      this.answer = answer;
      announce(spoken(answer));
    } catch (error) {
      if (this.answers === answers && this.question === question) this.fail(error);
    }
  }

  /** @param {unknown} error */
  fail(error) {
    this.waiting = false;
    this.error = this.describe(error);
  }

  /** @param {Partial<Question>} change */
  change(change) {
    const question = { ...this.question, ...change };
    if (question.versus !== "" && question.versus === (question.class || this.answer?.breed)) question.versus = "";
    this.question = question;
    this.ask();
  }

  render() {
    return html`
      <div class="head">
        <h1>Pet breed</h1>
        <p class="lead">${this.renderLead()}</p>
      </div>
      <div class="breed-columns">
        <section class="card" aria-labelledby="photo-title">
          <h2 id="photo-title" class="unseen">Photo</h2>
          ${this.renderPhoto()} ${this.renderScale()} ${this.renderPicker()}
        </section>
        <section class="card" aria-labelledby="answer-title" aria-busy=${this.waiting}>
          <h2 id="answer-title" class="unseen">Answer</h2>
          ${this.renderError()} ${this.renderAnswer()}
        </section>
      </div>`;
  }

  renderLead() {
    if (this.model === null) return this.error ? nothing : "Loading…";
    return html`One of ${this.model.classes.length} breeds of cats and dogs. The service keeps no photo, unless you say so.`;
  }

  renderPhoto() {
    const { bitmap, answers } = this;
    if (bitmap === null) {
      if (answers === null || this.error) return nothing;
      return html`<p class="hint">${answers.photo.name}: the browser can't show it, or is still reading it.</p>`;
    }
    const share = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    const label = this.answer?.heatmap ? `Your photo with a heatmap: ${heatmapText(this.answer)}` : "Your photo";
    return html`<canvas class="photo" role="img" aria-label=${label}
      width=${Math.max(1, Math.round(bitmap.width * share))} height=${Math.max(1, Math.round(bitmap.height * share))}></canvas>`;
  }

  renderPicker() {
    return html`<div class="drop ${this.over ? "over" : ""} ${this.bitmap ? "small" : ""}" @dragover=${this.onDragOver}
      @dragleave=${() => this.setOver(false)} @drop=${this.onDrop}>
      <p class="drop-title">${this.bitmap ? "Another photo" : "Drop a photo here"}</p>
      <p class="hint">or paste one, or</p>
      <div class="buttons">
        <label class="button file">Choose a photo<input type="file" accept="image/*" @change=${this.onFile}></label>
        <label class="button file camera">Take a photo<input type="file" accept="image/*" capture="environment" @change=${this.onFile}></label>
        <button class="quiet" @click=${this.onSample}>Try a sample</button>
      </div>
    </div>`;
  }

  renderAnswer() {
    const { answer, model } = this;
    if (model === null) return nothing;
    if (answer === null) {
      if (this.error) return nothing;
      return html`<p class="muted">${this.waiting ? "Looking…" : "The breed, how sure the model is, and where it looked appear here."}</p>`;
    }
    return html`
      ${result(answer, model)}
      <h3 class="heat-title">Where it looked</h3>
      ${controls({
        question: this.question,
        classes: model.classes,
        answer,
        opacity: this.opacity,
        change: (change) => this.change(change),
        fade: (opacity) => {
          this.opacity = opacity;
        },
      })}
      ${
        answer.receipt
          ? html`<shopcat-wrong .receipt=${answer.receipt} .answers=${this.answers} .question=${this.question}></shopcat-wrong>`
          : nothing
      }
      <p class="hint">Model ${answer.model}, version ${answer.version}. A breed by looks says little about an animal's
        ancestry or behaviour. <a href="/console/about">Limits of the model</a></p>`;
  }

  renderScale() {
    const heatmap = this.answer?.heatmap;
    if (!heatmap || this.question.method === "none") return nothing;
    if (heatmap.all_zero)
      return html`<p class="notice">No part of the photo speaks for ${heatmapText(/** @type {Prediction} */ (this.answer))}.</p>`;
    return html`<div class="scale"><span>weak</span><canvas class="scale-colours" width="256" height="12" aria-hidden="true"></canvas>
      <span>strong</span><span class="muted">${heatmap.min.toFixed(2)} to ${heatmap.max.toFixed(2)}</span></div>`;
  }

  updated() {
    /** @type {HTMLCanvasElement | null} */
    const canvas = this.querySelector("canvas.photo");
    const shown = this.question.method === "none" ? null : (this.answer?.heatmap ?? null);
    if (canvas !== null && this.bitmap !== null) paint(canvas, this.bitmap, shown, this.opacity);
    /** @type {HTMLCanvasElement | null} */
    const scale = this.querySelector("canvas.scale-colours");
    if (scale !== null) paintScale(scale);
  }

  /** @param {boolean} over */
  setOver(over) {
    this.over = over;
  }

  /** @param {DragEvent} event */
  onDragOver(event) {
    event.preventDefault();
    this.over = true;
  }

  /** @param {DragEvent} event */
  onDrop(event) {
    event.preventDefault();
    this.over = false;
    this.takeFirst(event.dataTransfer?.files);
  }

  /** @param {ClipboardEvent} event */
  onPaste(event) {
    this.takeFirst(event.clipboardData?.files);
  }

  /** @param {Event} event */
  onFile(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    this.takeFirst(input.files);
    input.value = "";
  }

  async onSample() {
    const response = await fetch(SAMPLE);
    this.take(new File([await response.blob()], "sample.jpg", { type: "image/jpeg" }));
  }

  /** @param {FileList | null | undefined} files */
  takeFirst(files) {
    const file = files?.[0];
    if (file) this.take(file);
  }
}
customElements.define("shopcat-breed", BreedPage);

/** @param {Prediction} answer */
const spoken = (answer) =>
  `${breedName(answer.breed)}, ${percent(answer.probability)}. ${answer.decision === "accept" ? "Sure enough." : "A person should look."}`;

/** @param {Prediction} answer */
function heatmapText({ heatmap }) {
  if (!heatmap || heatmap.class === null) return "where the network looked";
  const against = heatmap.versus ? ` rather than ${breedName(heatmap.versus)}` : "";
  return breedName(heatmap.class) + against;
}

export default { title: "Pet breed", path: "/console/breed", element: "shopcat-breed" };
