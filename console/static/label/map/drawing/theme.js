/** Colours of the page, as numbers for the renderers. */

/** @import {Colour, Theme} from "./frame.js" */

/** Custom property of the page for each colour. */
const NAMES = { plain: "--control", ink: "--ink", card: "--card", accent: "--accent", unsure: "--changed" };

/**
 * Return the colours that hold within an element: those of the light or the dark scheme.
 * @param {HTMLElement} box
 * @returns {Theme}
 */
export function readTheme(box) {
  const probe = document.createElement("span");
  probe.hidden = true;
  box.append(probe);
  const colours = Object.entries(NAMES).map(([name, property]) => {
    probe.style.color = `var(${property})`;
    const [red = 0, green = 0, blue = 0] =
      getComputedStyle(probe)
        .color.match(/[\d.]+/g)
        ?.map(Number) ?? [];
    return [name, /** @type {Colour} */ ([red, green, blue])];
  });
  probe.remove();
  return Object.fromEntries(colours);
}
