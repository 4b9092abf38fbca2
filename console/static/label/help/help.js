/** Help: the keys, a tour of five steps, and what the page is not made for. */

import { PlainElement } from "../../shared/element.js";
import { html, nothing } from "../../vendor/lit.js";
import { KEYS as MAP } from "../map/keys.js";

const SEEN = "shopcat.label.tour";

/** Keys and what they do, by the part that has the focus. @type {[string, [string, string][]][]} */
const KEYS = [
  [
    "Everywhere",
    [
      ["1 to 9", "give the label of that number"],
      ["0", "say that you can't tell"],
      ["Space", "show the photo in focus large; there, arrows turn to the next one, and + and − zoom"],
      ["r", "review the selection"],
      ["f", "find photos similar to the selection"],
      ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
      ["Esc", "go back"],
      ["?", "show this help"],
    ],
  ],
  ["On the map", MAP],
  [
    "In the grid",
    [
      ["Arrows", "go to the next photo and select it"],
      ["Shift and an arrow", "select a range"],
      ["Ctrl and an arrow", "go there, and keep the selection"],
      ["Home, End, Page Up, Page Down", "go to the first photo, the last one, a page up or down"],
      ["Enter", "select or deselect the photo"],
      ["Ctrl+A", "select all photos of the list"],
    ],
  ],
  [
    "In a review, and in groups to confirm",
    [
      ["Arrows", "go from photo to photo"],
      ["Enter", "take the photo out, or keep it"],
      ["Shift and an arrow", "take a range out, or keep it"],
      ["1 to 9", "give the label to all that are kept"],
      ["f", "in a review: find photos similar to those that are kept"],
      ["a, s", "in What next?: accept the suggestion, skip it"],
    ],
  ],
];

/** @type {[string, string][]} */
const STEPS = [
  [
    "Look",
    "Photos that are alike lie close together on the map, and follow each other in the grid. Try other spaces until what you look for forms a group.",
  ],
  [
    "Select",
    "Draw around a group on the map, or select photos in the grid. Then review them: the odd ones come first, and a click takes one out.",
  ],
  [
    "Label",
    "Type a new label, or press the number of one. A few photos for each label are enough to begin. Ctrl+Z takes any step back.",
  ],
  [
    "Let it help",
    "Find similar photos, and open What next?: it asks for the photos that teach the model most, then lets you confirm whole groups.",
  ],
  [
    "Check",
    "How good is it? asks about photos drawn at random, without the model's guess. Only that shows how often the model is right. Then take labels and model out.",
  ],
];

/** @fires keys when the single keys are switched on or off, with the new state as detail */
class LabelHelp extends PlainElement {
  static properties = {
    keys: { type: Boolean },
    step: { state: true },
  };

  constructor() {
    super();
    this.keys = true;
    /** Step of the tour; -1 without it. */
    this.step = localStorage.getItem(SEEN) === "seen" ? -1 : 0;
  }

  get dialog() {
    return /** @type {HTMLDialogElement} */ (this.querySelector("dialog"));
  }

  show() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  async start() {
    this.dialog.close();
    await this.go(0);
  }

  /** @param {number} step */
  async go(step) {
    this.step = step < STEPS.length ? step : -1;
    if (this.step === -1) localStorage.setItem(SEEN, "seen");
    await this.updateComplete;
    this.focusOn(".tour");
  }

  render() {
    return html`${this.renderTour()}
      <dialog class="help" aria-labelledby="help-title">
        <div class="card-head"><h2 id="help-title">Help</h2><button autofocus @click=${() => this.dialog.close()}>Close <kbd>Esc</kbd></button></div>
        <p>This works for what the eye sees at a glance: kinds, colours, poses, views. It is not made for photos that need a very
          close look, such as fine cracks or X-rays. Say "can't tell" if you can't.</p>
        <h3>Keys</h3>
        <div class="keys-list">${KEYS.map(
          ([part, keys]) =>
            html`<section><h4>${part}</h4><dl>${keys.map(
              ([key, words]) =>
                html`<div><dt>${key.split(", ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${words}</dd></div>`,
            )}</dl></section>`,
        )}</div>
        <label class="switch"><input type="checkbox" .checked=${this.keys} @change=${(/** @type {Event} */ event) =>
          this.dispatchEvent(
            new CustomEvent("keys", { detail: /** @type {HTMLInputElement} */ (event.target).checked }),
          )}>
          Use keys of a single letter or digit</label>
        <p><button @click=${this.start}>Show the tour</button></p>
      </dialog>`;
  }

  renderTour() {
    const step = STEPS[this.step];
    if (step === undefined) return nothing;
    const [title, words] = step;
    return html`<section class="tour" tabindex="-1" aria-labelledby="tour-title">
      <div class="grow"><h2 id="tour-title">${this.step + 1} of ${STEPS.length}: ${title}</h2><p>${words}</p></div>
      <div class="flow">
        ${this.step > 0 ? html`<button @click=${() => this.go(this.step - 1)}>Before</button>` : nothing}
        <button class="primary" @click=${() => this.go(this.step + 1)}>${this.step + 1 < STEPS.length ? "Next" : "Done"}</button>
        ${this.step + 1 < STEPS.length ? html`<button class="quiet" @click=${() => this.go(STEPS.length)}>Skip the tour</button>` : nothing}
      </div>
    </section>`;
  }
}
customElements.define("shopcat-label-help", LabelHelp);

export { LabelHelp };
