/** Text that leaves the page: into the clipboard, or as a file. */

import { html } from "../vendor/lit.js";
import { announce } from "./live.js";

/**
 * Return a button that copies a text.
 * @param {string} label
 * @param {() => string} text
 */
export const copyButton = (label, text) =>
  html`<button class="copy" @click=${(/** @type {Event} */ event) => copy(event, text())}>${label}</button>`;

/**
 * @param {Event} event
 * @param {string} text
 */
async function copy(event, text) {
  const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
  let message = "Copied.";
  try {
    await navigator.clipboard.writeText(text);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 2000);
  } catch {
    // Without HTTPS, and away from localhost, a browser lets no page write to the clipboard.
    message = "The browser does not allow copying here. Select the text instead.";
  }
  announce(message);
}

/**
 * Save a text as a file.
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function saveFile(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
