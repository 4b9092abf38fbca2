/** The label page: the list of projects, or the project that the address names. */

import { PlainElement } from "../shared/element.js";
import { html } from "../vendor/lit.js";
import "./projects/projects.js";
import "./workspace.js";

class LabelPage extends PlainElement {
  static properties = { query: { attribute: false } };

  constructor() {
    super();
    this.query = new URLSearchParams();
  }

  render() {
    const project = this.query.get("project");
    if (project)
      return html`<shopcat-label-workspace .project=${project} .query=${this.query}></shopcat-label-workspace>`;
    return html`
      <div class="head">
        <h1>Label photos</h1>
        <p class="lead">Sort photos into groups that you name. A model learns from them and takes over the rest.</p>
      </div>
      <shopcat-label-projects></shopcat-label-projects>`;
  }
}
customElements.define("shopcat-label", LabelPage);

export default { title: "Label photos", path: "/console/label", element: "shopcat-label" };
