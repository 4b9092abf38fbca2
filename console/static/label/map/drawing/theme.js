/** Colours of the page, as numbers for the renderers. */

/** @import {Colour, Theme} from "./frame.js" */

const COLOURS = { plain: "var(--control)", ink: "var(--ink)", card: "var(--card)", unsure: "var(--changed)" };
/** Colours that a person chose for all programs. */
const FORCED = { plain: "GrayText", ink: "CanvasText", card: "Canvas", unsure: "Highlight" };

/** Changes of what the colours depend on. */
export const schemes = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map((query) => matchMedia(query));

/**
 * Return the colours that hold within an element: those of the light or the dark scheme, or forced ones.
 * @param {HTMLElement} box
 * @returns {Theme}
 */
export function readTheme(box) {
  const probe = document.createElement("span");
  probe.hidden = true;
  box.append(probe);
  const colours = Object.entries(schemes[1]?.matches ? FORCED : COLOURS).map(([name, colour]) => {
    probe.style.color = colour;
    const [red = 0, green = 0, blue = 0] =
      getComputedStyle(probe)
        .color.match(/[\d.]+/g)
        ?.map(Number) ?? [];
    return [name, /** @type {Colour} */ ([red, green, blue])];
  });
  probe.remove();
  return Object.fromEntries(colours);
}
