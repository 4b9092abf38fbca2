/** Requests about one project: JSON, maps and the stream of what others do. */

import { failure, request } from "../../shared/api.js";

/** Requests below the address of a project. */
export class ProjectClient {
  /** @param {string} project id of the project */
  constructor(project) {
    this.address = `/labels/${encodeURIComponent(project)}`;
  }

  /**
   * Return the JSON of an address.
   * @param {string} [path]
   * @returns {Promise<any>}
   */
  get(path = "") {
    return request(this.address + path);
  }

  /**
   * Send JSON and return the JSON of the answer.
   * @param {"POST" | "PATCH" | "PUT" | "DELETE"} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  send(method, path, body = {}) {
    return send(method, this.address + path, body);
  }

  /**
   * Return the positions of a map, `[x, y]` of each row. A map that is still computed is asked for again.
   * @param {string} path
   * @param {(step: {step: number, steps: number}) => void} onStep
   * @returns {Promise<Float32Array>}
   */
  async map(path, onStep) {
    for (;;) {
      const response = await fetch(this.address + path);
      if (response.status === 202) {
        onStep(await response.json());
        const seconds = Number(response.headers.get("retry-after")) || 1;
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      } else if (response.ok) return new Float32Array(await response.arrayBuffer());
      else throw await failure(response);
    }
  }
}

/**
 * Send JSON to an address and return the JSON of the answer.
 * @param {string} method
 * @param {string} address
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export function send(method, address, body = {}) {
  const content = method === "DELETE" ? {} : { body: JSON.stringify(body) };
  return request(address, { method, headers: { "content-type": "application/json" }, ...content });
}

/** Kinds of the events of a stream. */
const KINDS = ["labels", "names", "progress", "rows", "people", "model", "job", "audit", "project"];

/** The stream of a project. It rests while the page is hidden, so that a tab in the background costs no connection. */
export class Stream {
  /**
   * @param {() => string} address
   * @param {(kind: string, data: any) => void} onEvent
   * @param {() => void} onReturn called when events may have been missed
   */
  constructor(address, onEvent, onReturn) {
    this.address = address;
    this.onEvent = onEvent;
    this.onReturn = onReturn;
    this.turn = () => (document.hidden ? this.rest() : this.start());
    document.addEventListener("visibilitychange", this.turn);
    /** @type {EventSource | null} */
    this.source = null;
    this.retry = 0;
    this.missed = false;
    this.turn();
  }

  start() {
    if (this.source !== null) return;
    const source = new EventSource(this.address());
    this.source = source;
    source.addEventListener("open", () => {
      if (this.missed) this.onReturn();
      this.missed = false;
    });
    source.addEventListener("error", () => {
      // After a lost connection the browser connects again, but not after an answer that is an error.
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.rest();
      this.retry = window.setTimeout(this.turn, 5000);
    });
    for (const kind of KINDS)
      source.addEventListener(kind, (event) =>
        this.onEvent(kind, JSON.parse(/** @type {MessageEvent} */ (event).data)),
      );
  }

  rest() {
    this.source?.close();
    this.source = null;
    this.missed = true;
    clearTimeout(this.retry);
  }

  close() {
    document.removeEventListener("visibilitychange", this.turn);
    this.rest();
  }
}
