/**
 * Types of the answers of labelling, as far as the page reads them; `schemas/labels/` has the complete contract.
 *
 * @typedef {{id: string, name: string, created: string, archived: boolean, photos: number, labelled: number,
 *   error: string | null}} ProjectSummary
 * @typedef {{projects: ProjectSummary[], bundle: string | null, bundle_error: string | null}} ProjectList
 * @typedef {{running: boolean, photos: number, embedded: number, broken: number, fitted: number,
 *   finished: boolean, error: string | null}} Progress
 * @typedef {{id: number, name: string, colour: string, retired: boolean, photos?: number}} LabelAnswer
 * @typedef {{id: string, name: string, created: string, archived: boolean, photos: number, labelled: number,
 *   cant_tell: number, labels: LabelAnswer[], progress: Progress, last_event: number, rows_version: string,
 *   audit: AuditCounts, people: string[]}} ProjectAnswer
 * @typedef {{asked: number, answered: number, draw: number, held: number, labelled: number}} AuditCounts
 *
 * @typedef {{sha256: string, name: string, width: number, height: number, group: number}} Photo
 * @typedef {{sha256: string | null, name: string, kind: string, reason: string}} BrokenPhoto
 * @typedef {{rows_version: string, photos: Photo[], waiting: number, broken: BrokenPhoto[]}} PhotoList
 *
 * @typedef {{name: string, stage: string, pooling: string, text: string}} SpaceAnswer
 * @typedef {{name: string, text: string}} ProjectionAnswer
 * @typedef {{spaces: SpaceAnswer[], projections: ProjectionAnswer[],
 *   default: {space: string, projection: string}}} Spaces
 *
 * @typedef {{batch: number | null, last_event: number, labels: Record<string, number | null>,
 *   held_back: number}} BatchAnswer
 * @typedef {{id: number, time: number, who: string, batch: number, photo: string, label: number | null, how: string,
 *   space: string | null, source: number | null}} HistoryEvent
 *
 * @typedef {{space: string, labels: number[], labels_hash: string}} Model
 * @typedef {{model: Model | null, state: string, labels: number[], confidence: number[], margin: number[],
 *   second: number[], rows_version: string}} PredictionAnswer
 * @typedef {{state: string, model: Model | null, labels: Int32Array, confidence: Float64Array, margin: Float64Array,
 *   second: Int32Array}} Predictions
 * @typedef {{space: string, text: string, score: number | null, p_value: number | null, warning: string | null,
 *   ranking: {space: string, score: number}[], n_labelled: Record<string, number>, positions: string,
 *   rows_version: string}} SeparationAnswer
 * @typedef {{sha256: string, score: number, near_duplicate: boolean}} SimilarPhoto
 * @typedef {"typical" | "doubtful" | "group" | "done"} SuggestionKind
 * @typedef {{why: string, photos: string[], labels: number[]}} Suggestion
 * @typedef {{kind: SuggestionKind, space: string, stage: {labelled: number, of: number},
 *   suggestions: Suggestion[]}} SuggestionAnswer
 * @typedef {{noise: {sha256: string, label: number, probability: number}[],
 *   odd: {sha256: string, typicality: number}[], duplicates: string[][],
 *   disagreements: {sha256: string, labels: Record<string, number>}[]}} Checks
 * @typedef {{photos: number, agreed: number, kappa: number | null, interval: number[] | null,
 *   waiting: number}} LabelAgreement
 * @typedef {{label: number, right: number, of: number, share: number | null, low: number | null,
 *   high: number | null}} LabelFigure
 * @typedef {{right: number, of: number, share: number, low: number, high: number, by_label: LabelFigure[]}} Figure
 * @typedef {AuditCounts & {open: number, cant_tell: number, due: boolean, due_photos: number, looks: number,
 *   figure: Figure | null, text: string}} AuditAnswer
 *
 * A label as the page shows it. `number` is the key that gives it, from 1; `shape` an index of SHAPES.
 * @typedef {{id: number, name: string, colour: string, shape: number, number: number, retired: boolean}} Label
 * @typedef {"none" | "confidence" | "margin" | "labelled"} FadeBy
 * `fade.threshold`: photos at or above it are faded, from 0 to 1; `labelled` knows no threshold.
 * @typedef {{space: string, projection: string, zoom: string, fade: {by: FadeBy, threshold: number},
 *   preview: number | null}} View
 * @typedef {{text: string, bad?: boolean}} Message
 */
export {};
