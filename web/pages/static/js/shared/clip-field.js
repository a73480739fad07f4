// A field for a clip: recorded, or chosen from the files.
import { byId, find, takeFile } from "./dom.js";
import { formatPercent } from "./probability.js";
import { recordClip } from "./recorder-dialog.js";
import { t } from "./texts.js";

/** @import { Recording } from "./recorder-dialog.js" */

export class ClipField {
  /** @type {Recording | null} */
  #recording = null;

  /**
   * @param {string} id element with a .record button, a file input and, if the file
   *   is to be named, a .chosen line
   * @param {object} [options]
   * @param {() => void} [options.onTake] called with every clip
   * @param {boolean} [options.digits] false: no digits are said in it
   */
  constructor(id, { onTake = () => {}, digits = true } = {}) {
    const root = byId(id);
    this.line = root.querySelector(".chosen");
    this.onTake = onTake;
    const record = find(root, ".record", HTMLButtonElement);
    record.addEventListener("click", async () => {
      this.#take(await recordClip({ digits }));
    });
    const input = find(root, "input[type=file]", HTMLInputElement);
    input.addEventListener("change", (event) => {
      const file = takeFile(event);
      this.#take(file && { file });
    });
  }

  get file() {
    return this.#recording?.file ?? null;
  }

  /** The clip as fields of a request; null without one. */
  get fields() {
    if (!this.#recording) return null;
    const { file, challenge } = this.#recording;
    return { media: file, challenge };
  }

  /** @param {Recording | null} recording */
  #take(recording) {
    if (!recording) return;
    this.#recording = recording;
    this.show(t("people.chosen", { name: recording.file.name }));
    this.onTake();
  }

  forget() {
    this.#recording = null;
    this.show("");
  }

  /**
   * Show how much of the clip has been sent.
   * @param {number} share from 0 to 1
   */
  showProgress(share) {
    if (share >= 1) this.show(t("kiosk.comparing"));
    else this.show(t("kiosk.sending", { percent: formatPercent(share) }));
  }

  /** @param {string} text */
  show(text) {
    if (this.line) this.line.textContent = text;
  }
}
