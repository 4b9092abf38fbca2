/** The plan of the days: a row for each fact, a column for each day, and in each cell a button that changes the fact. */

import { PlainElement } from "../shared/element.js";
import { shortDay, weekday } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";
import { FACTS, isOn } from "./plan.js";

/** @import {PlanDay} from "../shared/answers.js" */
/** @import {Fact, FactChanges, FactValue} from "./plan.js" */

const MARKS = { promo: "%", open: "●", state_holiday: "H", school_holiday: "S" };

export class PlanStrip extends PlainElement {
  static properties = {
    days: { attribute: false },
    changes: { attribute: false },
    selected: {},
    focused: { state: true },
  };

  constructor() {
    super();
    /** @type {PlanDay[]} */
    this.days = [];
    /** @type {Record<Fact, FactChanges> | null} */
    this.changes = null;
    this.selected = "";
    /** Row and column of the cell that has the strip's tab stop; row 0 are the days. */
    this.focused = [1, 0];
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("days"))
      this.focused = [this.focused[0] ?? 1, Math.min(this.focused[1] ?? 0, this.days.length - 1)];
  }

  render() {
    return html`<div class="strip" role="region" aria-label="Plan of the days, scrolls sideways" tabindex="-1">
      <table role="grid" aria-label="Plan: promotion, opening and holidays by day" @keydown=${this.onKey}>
        <thead>
          <tr>
            <th scope="col" class="corner"><span class="unseen">Fact</span></th>
            ${this.days.map((day, column) => this.renderDay(day, column))}
          </tr>
        </thead>
        <tbody>
          ${FACTS.map(
            ({ fact, label, on, off }, index) => html`<tr>
              <th scope="row">${label}</th>
              ${this.days.map((day, column) => this.renderCell(day, fact, { on, off }, index + 1, column))}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }

  /**
   * @param {PlanDay} day
   * @param {number} column
   */
  renderDay(day, column) {
    const [name = "", number = "", month = ""] = shortDay(day.date).split(" ");
    const first = column === 0 || number === "1";
    return html`<th scope="col" class=${weekday(day.date) === 0 || column === 0 ? "week" : ""}>
      <button class="day" tabindex=${this.tabIndexOf(0, column)} data-cell="0-${column}"
        aria-pressed=${this.selected === day.date} aria-label="Explain ${shortDay(day.date)}"
        @click=${() => this.choose(day.date)}>
        <span>${name.slice(0, 2)}</span><b>${number}</b>${first ? html`<span class="month">${month}</span>` : nothing}
      </button>
    </th>`;
  }

  /**
   * @param {PlanDay} day
   * @param {Fact} fact
   * @param {{on: string, off: string}} words
   * @param {number} row
   * @param {number} column
   */
  renderCell(day, fact, words, row, column) {
    const planned = day[fact];
    const value = this.changes?.[fact].get(day.date) ?? planned;
    const changed = value !== planned;
    const state = isOn(value) ? words.on : words.off;
    const source = changed ? ", changed" : day.assumed.includes(fact) ? ", assumed" : "";
    const kinds = [isOn(value) ? "on" : "off", changed ? "changed" : "", day.assumed.includes(fact) ? "assumed" : ""];
    return html`<td class=${weekday(day.date) === 0 || column === 0 ? "week" : ""}>
      <button class="fact ${fact} ${kinds.join(" ")}" tabindex=${this.tabIndexOf(row, column)} data-cell="${row}-${column}"
        aria-pressed=${isOn(value)} aria-label="${shortDay(day.date)}: ${state}${source}" title="${shortDay(day.date)}: ${state}${source}"
        @click=${() => this.toggle(day.date, fact, value)}>
        <span aria-hidden="true">${isOn(value) ? MARKS[fact] : ""}</span>
      </button>
    </td>`;
  }

  /**
   * @param {number} row
   * @param {number} column
   */
  tabIndexOf(row, column) {
    return this.focused[0] === row && this.focused[1] === column ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const [row = 1, column = 0] = this.focused;
    const last = this.days.length - 1;
    /** @type {Record<string, [number, number]>} */
    const moves = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      Home: [row, 0],
      End: [row, last],
      PageUp: [row, column - 7],
      PageDown: [row, column + 7],
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    this.focusCell(Math.min(FACTS.length, Math.max(0, move[0])), Math.min(last, Math.max(0, move[1])));
  }

  /**
   * @param {number} row
   * @param {number} column
   */
  async focusCell(row, column) {
    this.focused = [row, column];
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector(`[data-cell="${row}-${column}"]`))?.focus();
  }

  /**
   * @param {string} date
   * @param {Fact} fact
   * @param {FactValue} value
   */
  toggle(date, fact, value) {
    this.keep(date, FACTS.findIndex((candidate) => candidate.fact === fact) + 1);
    this.dispatchEvent(new CustomEvent("fact-toggled", { detail: { date, fact, value }, bubbles: true }));
  }

  /** @param {string} date */
  choose(date) {
    this.keep(date, 0);
    this.dispatchEvent(new CustomEvent("day-chosen", { detail: date, bubbles: true }));
  }

  /**
   * Keep the tab stop on the cell that was clicked.
   * @param {string} date
   * @param {number} row
   */
  keep(date, row) {
    this.focused = [row, this.days.findIndex((day) => day.date === date)];
  }
}
customElements.define("shopcat-plan", PlanStrip);
