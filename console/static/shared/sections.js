/** The sections of a model card. */

/** @typedef {{title: string, blocks: string[]}} Section */

/**
 * Return the sections of a text: the part before the first `##`, and each part after one.
 * @param {string} text
 * @returns {Section[]}
 */
export function sectionsOf(text) {
  return text.split(/^## /m).map((part, index) => {
    const [first = "", ...rest] = part.split("\n");
    const title = index === 0 ? "" : first;
    const body = index === 0 ? part.replace(/^# .*$/m, "") : rest.join("\n");
    return {
      title,
      blocks: body
        .split(/\n\s*\n/)
        .map((block) => block.replace(/^\n+|\s+$/g, ""))
        .filter(Boolean),
    };
  });
}
