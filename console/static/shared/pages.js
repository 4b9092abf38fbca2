/** The pages of the console, in the order of the navigation. */

/** @typedef {{title: string, path: string, element: string}} PageModule */

/**
 * @typedef {object} Page
 * @property {string} path address of the page
 * @property {string} label text of its link
 * @property {"sales" | "pets" | null} kind kind of model that the page needs
 * @property {string | null} role role that the page needs
 * @property {() => Promise<{default: PageModule}>} load
 */

/** @type {Page[]} */
export const PAGES = [
  {
    path: "/console/forecast",
    label: "Forecast",
    kind: "sales",
    role: "predict",
    load: () => import("../forecast/page.js"),
  },
  { path: "/console/breed", label: "Breed", kind: "pets", role: "predict", load: () => import("../breed/page.js") },
  { path: "/console/label", label: "Label", kind: null, role: "label", load: () => import("../label/page.js") },
  { path: "/console/review", label: "Review", kind: "pets", role: "review", load: () => import("../review/page.js") },
  { path: "/console/appeal", label: "Appeal", kind: "pets", role: null, load: () => import("../appeal/page.js") },
  {
    path: "/console/feedback",
    label: "How good it is",
    kind: null,
    role: "predict",
    load: () => import("../feedback/page.js"),
  },
  { path: "/console/about", label: "About", kind: null, role: "predict", load: () => import("../about/page.js") },
];

/** @type {Page} */
export const SIGN_IN = {
  path: "/console/sign-in",
  label: "Sign in",
  kind: null,
  role: null,
  load: () => import("../sign-in/page.js"),
};

/** Addresses of pages that need no key: a token or nothing is enough. */
export const OPEN = [SIGN_IN.path, "/console/appeal"];
