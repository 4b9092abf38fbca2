/**
 * Types of the answers about exports, imports and bundles; `schemas/labels/` has the complete contract.
 *
 * @typedef {{missing: string[], warnings: string[], train: number, valid: number, blind: number, labels: string[],
 *   other_models: string[]}} ExportState
 * @typedef {{right: number, of: number, share: number | null, low: number | null, high: number | null}} AuditedShare
 * @typedef {AuditedShare & {looks: number, text: string}} HeldOut
 * @typedef {{name: string, version: string, created: string, path: string, labels: string[], photos: number,
 *   threshold: number, accepted: number, held_out: HeldOut, warnings: string[]}} MadeBundle
 * @typedef {{state: "none" | "running" | "done" | "failed" | "cancelled" | "interrupted", who: string | null,
 *   started: string | null, ended: string | null, stage: string, share: number, message: string,
 *   log_tail: string}} BundleJob
 * @typedef {{state: "none" | "reloading" | "served" | "failed", model: string | null, version: string | null,
 *   chosen: string | null, chosen_by: string | null, origin: string | null, instead_of: string | null,
 *   address: string | null, error: string | null, refused: string | null}} Serving
 * @typedef {{job: BundleJob, bundle: MadeBundle | null, refused: string | null, serving: Serving}} BundleState
 * @typedef {{imported: number, new_labels: string[], models: string[], unknown: string[],
 *   unknown_count: number, same: number, blind: number}} Imported
 * @typedef {{name: string, photos: number, strange: string[], compared: number, agreed: number,
 *   audit: AuditedShare}} OtherModel
 * @typedef {{label: string, probability: number}} Guess
 * @typedef {{sha256: string, name: string, ours: Guess, theirs: Guess, given: string | null}} Disagreement
 */
export {};
