/** Facts about the service that all pages need: its models, and who is signed in. Each is asked for once. */

import { request } from "./api.js";

/** @import {Model, PetsModel, SalesModel, Session} from "./answers.js" */

/** @type {Promise<Model[]> | null} */
let modelsAnswer = null;
/** @type {Promise<Session> | null} */
let sessionAnswer = null;

/**
 * Return the models of the service. A failed request is sent again by the next call.
 * @returns {Promise<Model[]>}
 */
export function models() {
  modelsAnswer ??= request("/console/api/models").then(
    (answer) => answer.models,
    (error) => {
      modelsAnswer = null;
      throw error;
    },
  );
  return modelsAnswer;
}

/**
 * Return who is signed in. Without keys, everybody may do everything.
 * @returns {Promise<Session>}
 */
export function session() {
  sessionAnswer ??= request("/console/session").catch((error) => {
    sessionAnswer = null;
    if (error.status === 401) return { client: null, roles: [], keys: true };
    throw error;
  });
  return sessionAnswer;
}

/** Forget what is known, after somebody signed in or out. */
export function forget() {
  modelsAnswer = null;
  sessionAnswer = null;
  window.dispatchEvent(new Event("shopcat:session"));
}

/** Forget the models, after another bundle is served. */
export function forgetModels() {
  modelsAnswer = null;
}

/** @returns {Promise<SalesModel | undefined>} */
export const salesModel = async () => (await models()).find((model) => model.kind === "sales");

/** @returns {Promise<PetsModel | undefined>} */
export const petsModel = async () => (await models()).find((model) => model.kind === "pets");
