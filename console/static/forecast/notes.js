/** What a reader of the forecast should know: problems, warnings and assumptions. */

import { shortDay } from "../shared/format.js";
import { html } from "../vendor/lit.js";
import { assumedNotes, warningNotes } from "./words.js";

/** @import {DayForecast} from "../shared/answers.js" */

/**
 * Return the notes.
 * @param {DayForecast[]} items
 */
export function notes(items) {
  const [warnings, assumed] = [warningNotes(items), assumedNotes(items)];
  const problems = items.filter((day) => day.problem);
  return html`<section class="card" aria-labelledby="notes-title">
    <h2 id="notes-title">What to keep in mind</h2>
    ${problems.map((day) => html`<p class="notice bad">${shortDay(day.date)}: ${day.problem?.detail}</p>`)}
    <div class="columns">
      <div>
        <h3>Reasons to be careful</h3>
        ${
          warnings.length
            ? html`<ul class="notes">${warnings.map((note) => html`<li>${note.text} <span class="muted">${note.days}</span></li>`)}</ul>`
            : html`<p class="muted">None: all values are like those that the model learned from.</p>`
        }
      </div>
      <div>
        <h3>Assumed, because nobody stated it</h3>
        ${
          assumed.length
            ? html`<ul class="notes">${assumed.map((note) => html`<li>${note.text} <span class="muted">${note.days}</span></li>`)}</ul>`
            : html`<p class="muted">Nothing.</p>`
        }
      </div>
    </div>
  </section>`;
}
