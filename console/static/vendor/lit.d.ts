// Types of lit.js, and its source: tests/console/test_vendor.py builds lit.js from this list with the packages of the lock file.
export { html, LitElement, nothing, svg } from "lit";
export { ifDefined } from "lit/directives/if-defined.js";
export { live } from "lit/directives/live.js";
export { repeat } from "lit/directives/repeat.js";
