/** Steps of the history: pure, so that it is tested without a browser. */

/** @import {HistoryEvent} from "../types.js" */

/**
 * Return the events as steps, newest first: all events of a batch are one.
 * @param {HistoryEvent[]} events
 */
export function stepsOf(events) {
  /** @type {Map<number, {who: string, time: number, how: string, photos: number, labels: (number | null)[]}>} */
  const steps = new Map();
  for (const { batch, who, time, how, label } of events) {
    const step = steps.get(batch) ?? { who, time, how, photos: 0, labels: [] };
    steps.set(batch, step);
    step.photos += 1;
    if (!step.labels.includes(label)) step.labels.push(label);
  }
  return [...steps.values()].reverse();
}
