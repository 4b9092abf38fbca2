/** The review page: photos that wait for a person, and appeals. */

import { PlainElement } from "../shared/element.js";
import { html } from "../vendor/lit.js";
import "./appeals.js";
import "./photos.js";

class ReviewPage extends PlainElement {
  static properties = { query: { attribute: false } };

  render() {
    return html`
      <div class="head">
        <h1>Review photos</h1>
        <p class="lead">Your answers show how good the model is. It never learns from them by itself.</p>
      </div>
      <shopcat-review-photos></shopcat-review-photos>
      <shopcat-review-appeals></shopcat-review-appeals>
      <p><a href="/review/export" download="reviews.csv">Download all answers as CSV</a></p>`;
  }
}
customElements.define("shopcat-review", ReviewPage);

export default { title: "Review photos", path: "/console/review", element: "shopcat-review" };
