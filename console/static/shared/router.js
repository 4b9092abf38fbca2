/** Addresses of the pages: links within the console change the page without loading it again. */

/** @typedef {(url: URL) => void} Listener */

/** Addresses of pages; those with a dot are files. */
const PAGE = /^\/console(\/[a-z-]*)?$/;

/** @type {Set<Listener>} */
const listeners = new Set();

/**
 * Call a function after every change of the address.
 * @param {Listener} listener
 */
export function onNavigation(listener) {
  listeners.add(listener);
}

/**
 * Go to an address of the console.
 * @param {string} address
 * @param {{replace?: boolean}} [options]
 */
export function navigate(address, { replace = false } = {}) {
  const url = new URL(address, location.href);
  history[replace ? "replaceState" : "pushState"](null, "", url);
  notify();
}

/**
 * Write parameters into the address without a change of the page. Those that are "" are left out.
 * @param {Record<string, string>} parameters
 * @param {{replace?: boolean}} [options]
 */
export function setQuery(parameters, { replace = false } = {}) {
  const query = Object.entries(parameters)
    .filter(([, value]) => value !== "")
    // Commas and dots stay readable: they are allowed in a query as they are.
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":")}`)
    .join("&");
  const url = location.pathname + (query && `?${query}`);
  if (url === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", url);
}

function notify() {
  const url = new URL(location.href);
  for (const listener of listeners) listener(url);
}

/** @param {MouseEvent} event */
function followLink(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (!PAGE.test(link.pathname)) return;
  if (link.hash !== "" && link.pathname === location.pathname) return;
  event.preventDefault();
  navigate(link.href);
}

document.addEventListener("click", followLink);
window.addEventListener("popstate", notify);
