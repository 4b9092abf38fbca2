/** The list of projects: create, open, rename, copy, archive and delete. */

import { post, request } from "../../shared/api.js";
import { AskingElement } from "../../shared/element.js";
import { count, whole } from "../../shared/format.js";
import { announce } from "../../shared/live.js";
import { navigate } from "../../shared/router.js";
import { html, nothing, repeat } from "../../vendor/lit.js";
import { send } from "../store/client.js";
import { DEMONSTRATION, projectAddress, since } from "../words.js";

/** @import {ProjectList, ProjectSummary} from "../types.js" */

/** @typedef {"rename" | "copy" | "delete"} Action */

class LabelProjects extends AskingElement {
  static properties = {
    list: { state: true },
    archived: { state: true },
    asked: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectList | null} */
    this.list = null;
    this.archived = false;
    /** What a project's form asks. @type {{id: string, action: Action} | null} */
    this.asked = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  load() {
    return this.attempt(async () => {
      this.list = await request("/labels");
    });
  }

  /** @param {SubmitEvent} event */
  create(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const name = String(form.get("name")).trim();
    this.attempt(async () => {
      const project = await post("/labels", { name });
      navigate(projectAddress(project.id));
    });
  }

  demonstrate() {
    this.attempt(async () => {
      const project = await post("/labels", { name: DEMONSTRATION, demonstration: true });
      navigate(`${projectAddress(project.id)}&demonstration=new`);
    });
  }

  /**
   * @param {string} message
   * @param {() => Promise<unknown>} run
   */
  async change(message, run) {
    const done = await this.attempt(run);
    if (!done) return;
    this.asked = null;
    await this.load();
    announce(message);
    await this.updateComplete;
    this.focusOn("#projects-title");
  }

  /**
   * @param {ProjectSummary} project
   * @param {Action} action
   */
  async ask(project, action) {
    this.asked = { id: project.id, action };
    await this.updateComplete;
    const field = /** @type {HTMLElement | null} */ (this.querySelector(".asked input, .asked button[type=button]"));
    field?.focus();
    if (field instanceof HTMLInputElement) field.select();
  }

  async giveUp() {
    const id = this.asked?.id;
    this.asked = null;
    await this.updateComplete;
    if (id) this.focusOn(`[data-project="${CSS.escape(id)}"] a`);
  }

  /**
   * @param {SubmitEvent} event
   * @param {ProjectSummary} project
   */
  submit(event, project) {
    event.preventDefault();
    const name = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("name") ?? "").trim();
    const address = `/labels/${encodeURIComponent(project.id)}`;
    if (this.asked?.action === "rename") this.change(`Renamed to ${name}.`, () => send("PATCH", address, { name }));
    else if (this.asked?.action === "copy") this.change(`Copied to ${name}.`, () => post(`${address}/copy`, { name }));
    else this.change(`${project.name} is deleted.`, () => send("DELETE", address));
  }

  /** @param {ProjectSummary} project */
  archive({ id, name, archived }) {
    const message = archived ? `${name} is back in the list.` : `${name} is archived.`;
    const address = `/labels/${encodeURIComponent(id)}`;
    this.change(message, () => send("PATCH", address, { archived: !archived }));
  }

  render() {
    const projects = this.list?.projects ?? [];
    const shown = projects.filter(({ archived }) => archived === this.archived);
    const hidden = projects.length - shown.length;
    return html`
      ${this.renderStart()}
      ${this.renderError()}
      <section class="card" aria-labelledby="projects-title">
        <div class="card-head">
          <h2 id="projects-title" tabindex="-1">${this.archived ? "Archived projects" : "Projects"}</h2>
          ${
            hidden > 0 || this.archived
              ? html`<button class="quiet" @click=${() => {
                  this.archived = !this.archived;
                }}>${this.archived ? "Back to the projects" : `Show ${count(hidden, "archived project")}`}</button>`
              : nothing
          }
        </div>
        ${this.list === null ? html`<p class="hint">${this.error ? "" : "Asking…"}</p>` : nothing}
        ${
          this.list !== null && shown.length === 0
            ? html`<p>${this.archived ? "No project is archived." : "There is no project yet. Make one above, or look around in the demonstration."}</p>`
            : nothing
        }
        ${shown.length > 0 ? html`<p class="hint">Labelled: photos with a label. Can't tell and the blind answers of the check are labels too.</p>` : nothing}
        <ul class="projects">${repeat(
          shown,
          ({ id }) => id,
          (project) => this.renderProject(project),
        )}</ul>
      </section>`;
  }

  renderStart() {
    const { bundle, bundle_error: problem } = this.list ?? {};
    return html`<section class="card start" aria-labelledby="start-title">
      <h2 id="start-title">New project</h2>
      <form class="flow" @submit=${this.create}>
        <label class="grow">Name<input name="name" required maxlength="100" autocomplete="off" placeholder="Photos of shoes"></label>
        <button class="primary" ?disabled=${this.waiting}>Create</button>
      </form>
      <p class="or">or <button ?disabled=${this.waiting} @click=${this.demonstrate}>Try the demonstration</button>
        <span class="hint">600 drawn vehicles: label their kind, colour or viewing angle.</span></p>
      ${
        problem || (this.list !== null && !bundle)
          ? html`<p class="notice">${problem ?? "No model for photos is served, so the photos can't be arranged by likeness."}
            Photos and labels can be looked at.</p>`
          : nothing
      }
    </section>`;
  }

  /** @param {ProjectSummary} project */
  renderProject(project) {
    const { id, name, photos, labelled, error, created } = project;
    const share = photos === 0 ? 0 : labelled / photos;
    const asked = this.asked?.id === id ? this.asked.action : null;
    return html`<li data-project=${id}>
      <div class="project">
        <div class="grow">
          <a class="name" href=${projectAddress(id)}>${name}</a>
          ${
            error
              ? html`<p class="broken-project">${error}</p>`
              : html`<p class="hint">${count(photos, "photo")}, ${whole(labelled)} labelled. Made ${since(created)}.</p>
            <progress max="1" .value=${share} aria-label=${`Labelled share of ${name}`}></progress>`
          }
        </div>
        <div class="flow">
          <button aria-label=${`Rename ${name}`} @click=${() => this.ask(project, "rename")}>Rename</button>
          <button aria-label=${`Copy ${name}`} @click=${() => this.ask(project, "copy")}>Copy</button>
          <button aria-label=${`${project.archived ? "Restore" : "Archive"} ${name}`}
            @click=${() => this.archive(project)}>${project.archived ? "Restore" : "Archive"}</button>
          <button aria-label=${`Delete ${name}`} @click=${() => this.ask(project, "delete")}>Delete…</button>
        </div>
      </div>
      ${asked === null ? nothing : this.renderAsked(project, asked)}
    </li>`;
  }

  /**
   * @param {ProjectSummary} project
   * @param {Action} action
   */
  renderAsked(project, action) {
    const { name, photos, labelled } = project;
    const suggested = action === "copy" ? `${name} (copy)`.slice(0, 100) : name;
    return html`<form class="asked" @submit=${(/** @type {SubmitEvent} */ event) => this.submit(event, project)}
      @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.giveUp()}>
      ${
        action === "delete"
          ? html`<p><strong>Delete ${name}?</strong> ${count(photos, "uploaded photo")} and ${count(labelled, "label")}
            go with it, and nobody can bring them back. A folder that was opened in place keeps its files.</p>`
          : html`<label>${action === "copy" ? "Name of the copy" : "New name"}
            <input name="name" required maxlength="100" autocomplete="off" .value=${suggested}></label>`
      }
      <div class="flow">
        <button class=${action === "delete" ? "danger" : "primary"} ?disabled=${this.waiting}>${
          { rename: "Rename", copy: "Copy", delete: "Delete for good" }[action]
        }</button>
        <button type="button" @click=${this.giveUp}>Cancel</button>
      </div>
    </form>`;
  }
}
customElements.define("shopcat-label-projects", LabelProjects);
