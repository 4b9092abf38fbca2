/**
 * Types of the service's answers, as far as the pages read them. `schemas/` has the complete contract.
 *
 * @typedef {{path: string, value?: string, detail: string}} FieldError
 * @typedef {{type: string, title: string, status: number, detail: string, errors?: FieldError[]}} Problem
 *
 * @typedef {number | string} StoreId
 * @typedef {{level: number, low: number, high: number}} Interval
 * @typedef {{code: string, field: string, detail: string}} Warning
 * @typedef {{sales: number, difference: number, ratio: number | null, intervals?: Interval[], assumed: string[],
 *   warnings: Warning[]}} WhatIfResult
 * @typedef {{date: string, sales: number, intervals?: Interval[], assumed: string[], warnings: Warning[],
 *   what_if?: WhatIfResult, problem?: Problem, receipt?: string}} DayForecast
 * @typedef {{sales: number, difference: number, ratio: number | null, intervals?: Interval[]}} WhatIfTotal
 * @typedef {{days: number, sales: number, intervals?: Interval[], what_if?: WhatIfTotal}} Total
 * @typedef {{model: string, version: string, cutoff: string, objective: string, items: DayForecast[],
 *   total?: Total}} Forecasts
 *
 * @typedef {{group: string, log: number, multiplier: number}} Group
 * @typedef {{input: string, group: string, value: number | string | null, baseline: number | string | null,
 *   log: number, multiplier: number}} Contribution
 * @typedef {{store: StoreId, date: string, sales: number, baseline: {store: StoreId, date: string, sales: number},
 *   groups: Group[], contributions: Contribution[], unexplained: string | null, problem?: Problem}} Explanation
 *
 * @typedef {{store: StoreId, type: string | null, assortment: string | null, state: string | null,
 *   first_sale: string | null, last_sale: string | null}} Store
 * @typedef {{model: string, version: string, stores: Store[]}} Stores
 * @typedef {{date: string, sales: number | null, open: boolean, promo: boolean, state_holiday: string,
 *   school_holiday: boolean, assumed: string[]}} PlanDay
 * @typedef {{model: string, version: string, store: StoreId, days: PlanDay[]}} History
 *
 * @typedef {{name: string, kind: "sales", version: string, created: string, cutoff: string, horizon: number,
 *   first_date: string, last_date: string, objective: string, calibrated: boolean, synthetic: boolean,
 *   stores: number, coverage: Record<string, number>}} SalesModel
 * @typedef {{breed: string, species: "cat" | "dog" | null}} BreedClass
 * @typedef {{name: string, kind: "pets", version: string, created: string, threshold: number,
 *   notices_unknown: boolean, review_share: number, kept_days: number | null, classes: BreedClass[]}} PetsModel
 * @typedef {SalesModel | PetsModel} Model
 *
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box
 * @typedef {{method: string, class: string | null, versus: string | null, grid: number[][], min: number, max: number,
 *   all_zero: boolean, box: Box, width: number, height: number}} Heatmap
 * @typedef {{breed: string, species: string | null, probability: number}} Breed
 * @typedef {{breed: string, species: string | null, probability: number, top: Breed[], known: boolean,
 *   decision: "accept" | "review", review_reason: string | null, look: string, box: Box, heatmap: Heatmap | null,
 *   warnings: {code: string, detail: string}[], model: string, version: string, receipt?: string, retained?: boolean}} Prediction
 *
 * @typedef {{client: string | null, roles: string[], keys: boolean}} Session
 */
export {};
