/** Questions about a photo. An answer that was given once is not asked for again. */

import { request } from "../shared/api.js";

/** @import {PetsModel, Prediction} from "../shared/answers.js" */

/**
 * @typedef {object} Question
 * @property {"none" | "activation" | "gradcam" | "contrast"} method
 * @property {string} class explained class; "" for the most likely
 * @property {string} versus class to compare with; "" for the next most likely
 * @property {boolean} closer true to look closer at the animal
 */

/** Breeds to list. */
export const TOP = 5;

/**
 * Return the parameters of a question.
 * @param {Question} question
 */
export function parametersOf(question) {
  const parameters = new URLSearchParams({ top_k: String(TOP), heatmap: question.method, overlay: "none" });
  const explains = question.method === "gradcam" || question.method === "contrast";
  if (explains && question.class) parameters.set("class", question.class);
  if (question.method === "contrast" && question.versus) parameters.set("versus", question.versus);
  if (question.closer) parameters.set("look", "closer");
  return parameters;
}

/** The answers about one photo. */
export class Answers {
  /**
   * @param {PetsModel} model
   * @param {File} photo
   */
  constructor(model, photo) {
    this.model = model;
    this.photo = photo;
    /** @type {Map<string, Promise<Prediction>>} */
    this.known = new Map();
  }

  /**
   * Return the answer to a question. One that failed is asked again.
   * @param {Question} question
   * @returns {Promise<Prediction>}
   */
  ask(question) {
    return this.send(parametersOf(question));
  }

  /**
   * Send the photo again, to be kept for the person who decides an appeal. Return the answer, whose receipt the photo has.
   * @param {Question} question
   * @returns {Promise<Prediction>}
   */
  keep(question) {
    const parameters = parametersOf({ ...question, method: "none" });
    parameters.set("retain", "appeal");
    return this.send(parameters);
  }

  /**
   * @param {URLSearchParams} parameters
   * @returns {Promise<Prediction>}
   */
  send(parameters) {
    const query = parameters.toString();
    const known = this.known.get(query);
    if (known) return known;
    const answer = request(`/predictions/${this.model.name}?${query}`, {
      method: "POST",
      headers: { "content-type": this.photo.type || "application/octet-stream" },
      body: this.photo,
    });
    this.known.set(query, answer);
    answer.catch(() => this.known.delete(query));
    return answer;
  }
}
