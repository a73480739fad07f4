// Sends the files that a job waits for, two at a time, and says how far it is.
import { readJob } from "../console/service.js";
import { ApiError } from "../shared/errors.js";
import { asListed } from "./collect.js";
import { sendFile } from "./service.js";

/** @import { Chosen } from "./collect.js" */

const PAGE = 1000;
const AT_ONCE = 2;
const MOST_TIMES = 5;

/**
 * List the files that a job waits for, with the chosen file of each.
 * @param {string} jobId
 * @param {Chosen[]} chosen
 */
export async function findMissing(jobId, chosen) {
  const files = new Map(chosen.map(({ path, file }) => [asListed(path), file]));
  /** @type {Api.JobItem[]} */
  const awaited = [];
  for (;;) {
    const part = { state: "awaited", offset: awaited.length, limit: PAGE };
    const { items } = await readJob(jobId, part);
    awaited.push(...items);
    if (items.length < PAGE) break;
  }
  return awaited.flatMap(({ name, position }) => {
    const file = files.get(name);
    return file ? [{ position, file }] : [];
  });
}

export class Sender {
  #stopped = false;

  /** @param {(sent: number, files: number) => void} onSent */
  constructor(onSent) {
    this.onSent = onSent;
  }

  stop() {
    this.#stopped = true;
  }

  /**
   * Send all files. Returns whether it was not stopped. Throws the first ApiError.
   * @param {string} jobId
   * @param {{ position: number, file: File }[]} files
   */
  async send(jobId, files) {
    const left = [...files];
    let sent = 0;
    this.#stopped = false;
    this.onSent(0, files.length);
    const work = async () => {
      for (let next = left.shift(); next && !this.#stopped; next = left.shift()) {
        await sendWithPatience(jobId, next.position, next.file);
        sent += 1;
        this.onSent(sent, files.length);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } finally {
      this.#stopped = this.#stopped || sent < files.length;
    }
    return !this.#stopped;
  }
}

/**
 * Send a file. What came before is well, and who is too fast waits.
 * @param {string} jobId
 * @param {number} position
 * @param {File} file
 */
async function sendWithPatience(jobId, position, file) {
  for (let times = 1; ; times += 1) {
    try {
      await sendFile(jobId, position, file);
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "file_not_awaited") return;
      const mayPass = error.code === "rate_limited" || error.code === "server_gone";
      if (!mayPass || times >= MOST_TIMES) throw error;
      await pause(error.retryAfterS ?? 2 * times);
    }
  }
}

/** @param {number} seconds */
const pause = (seconds) =>
  new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
