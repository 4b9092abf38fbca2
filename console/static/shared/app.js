/** The shell: it shows the navigation and the page that belongs to the address. */

import { html, LitElement, nothing } from "../vendor/lit.js";
import { request, ServiceError } from "./api.js";
import { announce } from "./live.js";
import { OPEN, PAGES, SIGN_IN } from "./pages.js";
import { navigate, onNavigation } from "./router.js";
import { forget, models, session } from "./service.js";

/** @import {Session} from "./answers.js" */
/** @import {Page} from "./pages.js" */

/** Number of times that somebody signed in or out: an answer from before is then no longer true. */
let signings = 0;
window.addEventListener("shopcat:session", () => {
  signings += 1;
});

class Header extends LitElement {
  static properties = {
    pages: { state: true },
    current: { state: true },
    who: { state: true },
  };

  constructor() {
    super();
    this.pages = PAGES;
    this.current = "";
    /** @type {Session | null} */
    this.who = null;
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    window.addEventListener("shopcat:session", () => this.load());
    this.load();
  }

  /** Ask who is signed in and which pages there are. Without an answer, all pages stay in the navigation. */
  async load() {
    const before = signings;
    try {
      const pages = usablePages();
      await pages.catch(() => null); // then the session is known, too
      const who = await session();
      if (signings !== before) return;
      this.who = who;
      this.pages = await pages;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
    }
  }

  render() {
    return html`<header class="bar">
      <a class="brand" href="/console/"><img src="/console/icon.svg" alt="" width="28" height="28"> Shopcat</a>
      <nav aria-label="Pages">
        <ul>
          ${this.pages.map(
            (page) => html`<li>
              <a href=${page.path} aria-current=${this.current === page.path ? "page" : "false"}>${page.label}</a>
            </li>`,
          )}
        </ul>
      </nav>
      <div class="who">${this.renderWho()}</div>
    </header>`;
  }

  renderWho() {
    if (!this.who?.keys) return nothing;
    if (this.who.client === null) return html`<a class="button" href=${signInAddress()}>Sign in</a>`;
    return html`<span class="who-name" title="Signed in">${this.who.client}</span>
      <button class="quiet" @click=${this.signOut}>Sign out</button>`;
  }

  async signOut() {
    await request("/console/session", { method: "DELETE" });
    forget();
    announce("Signed out.");
    navigate(SIGN_IN.path);
  }
}
customElements.define("shopcat-header", Header);

/** Return the address of the sign-in page, which leads back to this one. */
function signInAddress() {
  if (location.pathname === SIGN_IN.path) return location.pathname + location.search;
  return `${SIGN_IN.path}?next=${encodeURIComponent(location.pathname + location.search)}`;
}

let shown = "";
/** Number of addresses so far: a module that arrives late must not replace the page of a later address. */
let visits = 0;

/**
 * Show the page of an address.
 * @param {URL} url
 */
async function show(url) {
  visits += 1;
  const visit = visits;
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  const page = [...PAGES, SIGN_IN].find((candidate) => candidate.path === url.pathname.replace(/\/$/, ""));
  if (page === undefined) {
    const home = await homePage();
    if (visit !== visits) return;
    if (url.pathname === "/console/" || url.pathname === "/console") return navigate(home.path, { replace: true });
    return showMissing(main, url);
  }
  const header = /** @type {Header} */ (document.querySelector("shopcat-header"));
  header.current = page.path;
  const { title, element } = (await page.load()).default;
  if (visit !== visits) return;
  document.title = `${title} – Shopcat`;
  const present = main.querySelector(element);
  if (present !== null) {
    /** @type {any} */ (present).query = url.searchParams;
    return;
  }
  const view = document.createElement(element);
  /** @type {any} */ (view).query = url.searchParams;
  main.replaceChildren(view);
  if (shown !== "") {
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    announce(title);
  }
  shown = page.path;
}

/**
 * Return the pages that are of use to whoever is signed in.
 * @returns {Promise<Page[]>}
 */
async function usablePages() {
  // Both at once: the shell's HTML has told the browser to ask for them.
  const [who, found] = [session(), models()];
  await Promise.allSettled([who, found]);
  const { client, roles } = await who;
  // A key without the role predict does not learn of the models.
  const kinds = client === null || roles.includes("predict") ? new Set((await found).map(({ kind }) => kind)) : null;
  return PAGES.filter(
    ({ kind, role }) => (kind === null || kinds === null || kinds.has(kind)) && (role === null || roles.includes(role)),
  );
}

/**
 * Return the page that opens first.
 * @returns {Promise<Page>}
 */
async function homePage() {
  const fallback = /** @type {Page} */ (PAGES[0]);
  try {
    return (await usablePages())[0] ?? fallback;
  } catch {
    return fallback;
  }
}

/**
 * @param {HTMLElement} main
 * @param {URL} url
 */
function showMissing(main, url) {
  document.title = "No such page – Shopcat";
  const title = document.createElement("h1");
  title.textContent = "There is no such page";
  const text = document.createElement("p");
  text.textContent = `${url.pathname} is not a page of this console. Choose one above.`;
  main.replaceChildren(title, text);
}

onNavigation(show);
window.addEventListener("shopcat:unauthorized", async () => {
  // The answer to a request from before a sign-in may come after it: also the answer to this one.
  const before = signings;
  const who = await request("/console/session").catch(() => null);
  if (who?.client || signings !== before) return;
  if (!OPEN.includes(location.pathname)) navigate(signInAddress(), { replace: true });
});
show(new URL(location.href));
