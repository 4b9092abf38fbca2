/** Messages for screen readers, in the page's polite live region. */

/**
 * Announce a message.
 * @param {string} message
 */
export function announce(message) {
  const region = document.getElementById("live");
  if (region === null) return;
  // A region that gets the same text twice stays silent, so the text is removed first.
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = message;
  });
}
