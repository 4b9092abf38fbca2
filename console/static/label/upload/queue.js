/** Uploads: some files at a time, each only if the service lacks it, so that an upload that broke off goes on. */

import { request, ServiceError } from "../../shared/api.js";

/** @typedef {"new" | "known" | "twice" | "broken" | "failed"} Outcome */
/** @typedef {{name: string, outcome: Outcome, reason: string}} Entry */

const AT_ONCE = 4;
/** Milliseconds between tries while the service is busy or out of reach. */
const PAUSE = 2000;
const TRIES = 5;
const PHOTO = /\.(jpe?g|png|webp|gif|bmp|tiff?|heic|avif)$/i;

/** @param {File} file */
export const isPhoto = (file) => file.type.startsWith("image/") || PHOTO.test(file.name);

export class UploadQueue {
  /**
   * @param {string} address address of the project
   * @param {(sha256: string) => boolean | null} has true for a photo of the project, null if the service must be asked
   * @param {() => void} onChange
   */
  constructor(address, has, onChange) {
    this.address = address;
    this.has = has;
    this.onChange = onChange;
    /** @type {File[]} */
    this.waiting = [];
    this.total = 0;
    this.running = 0;
    this.stopped = false;
    /** @type {Entry[]} */
    this.entries = [];
    /** First name of each hash. @type {Map<string, string>} */
    this.names = new Map();
  }

  get done() {
    return this.entries.length;
  }

  get busy() {
    return this.running > 0;
  }

  /** @param {Outcome} outcome */
  count(outcome) {
    return this.entries.filter((entry) => entry.outcome === outcome).length;
  }

  /**
   * Add files and return when all are sent or stopped.
   * @param {Iterable<File>} files
   */
  async add(files) {
    const added = [...files];
    this.stopped = false;
    this.waiting.push(...added);
    this.total += added.length;
    this.onChange();
    const workers = Array.from({ length: AT_ONCE - this.running }, () => this.work());
    await Promise.all(workers);
  }

  /** Send no further file. Those that are sent stay, and adding the same files again goes on where it stopped. */
  stop() {
    this.stopped = true;
    this.total -= this.waiting.length;
    this.waiting = [];
    this.onChange();
  }

  async work() {
    this.running += 1;
    for (let file = this.waiting.shift(); file !== undefined; file = this.waiting.shift()) {
      this.entries.push(await this.send(file));
      this.onChange();
    }
    this.running -= 1;
    this.onChange();
  }

  /**
   * @param {File} file
   * @returns {Promise<Entry>}
   */
  async send(file) {
    const name = file.name;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return { name, ...(await this.sendOnce(file)) };
      } catch (error) {
        if (!(error instanceof ServiceError))
          return { name, outcome: "failed", reason: "The browser can't read this file." };
        const again = error.status === 0 || error.status === 429 || error.status === 503;
        if (!again || attempt === TRIES || this.stopped)
          return {
            name,
            outcome: error.status === 400 || error.status === 413 ? "broken" : "failed",
            reason: error.message,
          };
        await new Promise((resolve) => setTimeout(resolve, PAUSE * attempt));
      }
    }
  }

  /**
   * @param {File} file
   * @returns {Promise<{outcome: Outcome, reason: string}>}
   */
  async sendOnce(file) {
    const named = `?name=${encodeURIComponent(file.name)}`;
    const headers = { "content-type": "application/octet-stream" };
    // A browser hashes only over HTTPS and on localhost; elsewhere the service does it.
    if (!globalThis.crypto?.subtle) {
      await request(`${this.address}/photos${named}`, { method: "POST", headers, body: file });
      return { outcome: "new", reason: "" };
    }
    const sha256 = await hashOf(await file.arrayBuffer());
    const first = this.names.get(sha256);
    if (first !== undefined && first !== file.name) return { outcome: "twice", reason: `The same photo as ${first}.` };
    this.names.set(sha256, file.name);
    const address = `${this.address}/photos/${sha256}`;
    if (this.has(sha256) ?? (await exists(address))) return { outcome: "known", reason: "The project has it already." };
    await request(address + named, { method: "PUT", headers, body: file });
    return { outcome: "new", reason: "" };
  }
}

/** @param {ArrayBuffer} content */
async function hashOf(content) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} address */
async function exists(address) {
  try {
    return (await fetch(address, { method: "HEAD" })).ok;
  } catch {
    throw new ServiceError("The service can't be reached. Check that it is running, then try again.", 0);
  }
}

/**
 * Return the files of a drop, with those in folders.
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
export async function droppedFiles(transfer) {
  // The entries must be read before the first pause: the browser empties the list after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(filesOf))).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesOf(entry) {
  if (entry.isFile)
    return [await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject))];
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {File[]} */
  const files = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at most in Chromium
    if (batch.length === 0) return files;
    files.push(...(await Promise.all(batch.map(filesOf))).flat());
  }
}
