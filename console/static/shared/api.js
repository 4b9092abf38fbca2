/** Requests to the service. A failed one throws a `ServiceError` with the service's own words. */

/** @import {Problem} from "./answers.js" */

/** Error of a request: a problem that the service described, or a connection that failed. */
export class ServiceError extends Error {
  /**
   * @param {string} message
   * @param {number} status HTTP status; 0 if there was no answer
   * @param {Problem | null} problem
   */
  constructor(message, status, problem = null) {
    super(message);
    this.status = status;
    this.problem = problem;
  }

  /** Name of the kind of problem, such as `unknown-store`; empty if the service named none. */
  get kind() {
    return this.problem?.type.split(/[/:]/).pop() ?? "";
  }
}

/**
 * Send a request and return the JSON of its answer.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServiceError("The service can't be reached. Check that it is running, then try again.", 0);
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  throw await failure(response);
}

/**
 * Return the error of a response that is no success.
 * @param {Response} response
 */
export async function failure(response) {
  const problem = await readProblem(response);
  if (response.status === 401) window.dispatchEvent(new Event("shopcat:unauthorized"));
  return new ServiceError(messageOf(response, problem), response.status, problem);
}

/**
 * Post a JSON object.
 * @param {string} path
 * @param {unknown} body
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export function post(path, body, options = {}) {
  const headers = { "content-type": "application/json", ...options.headers };
  return request(path, { ...options, method: "POST", headers, body: JSON.stringify(body) });
}

/**
 * @param {Response} response
 * @returns {Promise<Problem | null>}
 */
async function readProblem(response) {
  if (!response.headers.get("content-type")?.includes("problem+json")) return null;
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/**
 * Return a problem as a sentence for a person who is not a programmer.
 * @param {Response} response
 * @param {Problem | null} problem
 */
function messageOf(response, problem) {
  if (response.status === 401) return "You need to sign in first.";
  if (response.status === 429 || response.status === 503) {
    const seconds = Number(response.headers.get("retry-after"));
    const when = seconds > 0 ? `in ${seconds} s` : "in a moment";
    return `The service is busy. Try again ${when}.`;
  }
  if (problem === null) return `The service answered with the HTTP status ${response.status}.`;
  return `${problem.title}: ${problem.detail}`;
}
