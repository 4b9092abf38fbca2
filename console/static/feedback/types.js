/**
 * Types of the answers of `/feedback`; `schemas/feedback/answer.py` has the complete contract.
 *
 * @import {Problem} from "../shared/answers.js"
 *
 * @typedef {{answers: number, point: number | null, low: number | null, high: number | null}} Estimate
 * @typedef {{source: "receipt" | "recomputed", group: string, value: string, wape: Estimate, bias: Estimate,
 *   coverage_80: Estimate, coverage_90: Estimate, pinball: Estimate}} SalesFigures
 * @typedef {{group: string, value: string, estimate: "accepted" | "reviewed" | "all", accuracy: Estimate}} PetsFigures
 * @typedef {{why: string, truth: string, number: number}} TruthCount
 * @typedef {{model: string, days: number, truths: number, answers: number | null, share: number | null,
 *   card: Record<string, number>, kind: "sales", figures: SalesFigures[]}} SalesReport
 * @typedef {{model: string, days: number, truths: number, answers: number | null, share: number | null,
 *   card: Record<string, number>, kind: "pets", figures: PetsFigures[], reports: TruthCount[]}} PetsReport
 * @typedef {SalesReport | PetsReport} Report
 *
 * @typedef {{entry: number, problem?: Problem}} Result
 * @typedef {{counted: number, replaced: number, unchanged: number, rejected: number, results: Result[]}} Results
 */
export {};
