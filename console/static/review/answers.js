/**
 * Types of the answers of reviews and appeals; `schemas/review/` has the complete contract.
 *
 * @typedef {"breed" | "other_breed" | "not_a_pet" | "cant_tell"} Verdict
 * @typedef {{breed: string, probability: number}} Candidate
 * @typedef {{breed: string, probability: number, known: boolean, top: Candidate[]}} ShownPrediction
 * @typedef {{number: number, who: string, at: string, verdict: Verdict, breed: string | null, how: string,
 *   note: string}} Opinion
 * @typedef {{id: string, model: string, version: string, reason: string, propensity: number, state: string,
 *   since: string, blind: boolean, lease_until: string | null, photo: string | null, classes: string[],
 *   prediction: ShownPrediction | null, opinions: Opinion[]}} Case
 * @typedef {{pairs: number, share: number | null, kappa: number | null}} Agreement
 * @typedef {{waiting: number, counts: Record<string, number>, states: Record<string, number>, oldest_seconds: number,
 *   answered_today: number, agreement: Agreement}} Queue
 *
 * @typedef {{at: string, action: string, who: string}} Step
 * @typedef {{case: string, state: string, filed: string, due: string, overdue: boolean, claim: string,
 *   breed: string | null, prediction: ShownPrediction | null, decided: string | null, reason: string | null,
 *   decided_breed: string | null, steps: Step[]}} Appeal
 * @typedef {Appeal & {model: string, version: string, assigned_to: string | null, may_decide: boolean,
 *   photo: string | null, classes: string[], opinions: Opinion[]}} ReviewedAppeal
 * @typedef {{case: string, state: string, due: string, overdue: boolean, model: string, assigned_to: string | null,
 *   may_decide: boolean}} AppealSummary
 * @typedef {{states: Record<string, number>, overdue: number, appeals: AppealSummary[]}} AppealList
 */
export {};
