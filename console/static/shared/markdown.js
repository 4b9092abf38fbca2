/**
 * Markdown as far as model cards use it: headings, paragraphs, lists, tables, bold, code and links. Everything else
 * stays text, so that a card can't bring markup.
 */

import { html } from "../vendor/lit.js";

/** @import {Section} from "./sections.js" */

/**
 * Return the blocks of a section.
 * @param {Section} section
 */
export const renderSection = (section) => section.blocks.map(block);

/** @param {string} text */
function block(text) {
  if (text.startsWith("### ")) return html`<h4>${text.slice(4)}</h4>`;
  if (text.startsWith("|")) return table(text);
  if (/^[-*] /.test(text)) {
    const items = text.split(/^[-*] /m).filter(Boolean);
    return html`<ul>${items.map((item) => html`<li>${inline(item)}</li>`)}</ul>`;
  }
  return html`<p>${inline(text)}</p>`;
}

/** @param {string} text */
function table(text) {
  const [head = [], , ...rows] = text.split("\n").map((line) => line.replace(/^\||\|\s*$/g, "").split("|"));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table: ${head
    .map((cell) => cell.trim())
    .filter(Boolean)
    .join(", ")}">
    <table class="plain">
      <thead><tr>${head.map((cell) => html`<th scope="col">${cell.trim() ? inline(cell.trim()) : html`<span class="unseen">row</span>`}</th>`)}</tr></thead>
      <tbody>
        ${rows.map(
          ([name = "", ...cells]) => html`<tr>
            <th scope="row">${inline(name.trim())}</th>
            ${cells.map((cell) => html`<td>${inline(cell.trim())}</td>`)}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

const INLINE = /\*\*(.+?)\*\*|`(.+?)`|\[(.+?)\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s,)]+[^\s,).])/gs;

/**
 * Return a text with its bold words, code and links.
 * @param {string} text
 */
function inline(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [found, bold, code, label, address, bare] = match;
    parts.push(text.slice(end, match.index));
    if (bold) parts.push(html`<strong>${bold}</strong>`);
    else if (code) parts.push(html`<code>${code}</code>`);
    else parts.push(html`<a href=${/** @type {string} */ (address ?? bare)} rel="noreferrer">${label ?? bare}</a>`);
    end = match.index + found.length;
  }
  return [...parts, text.slice(end)];
}
