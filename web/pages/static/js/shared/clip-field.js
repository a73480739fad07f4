// A field for a clip: recorded, or chosen from the files.
import { byId, find, takeFile } from "./dom.js";
import { formatPercent } from "./format.js";
import { recordClip } from "./recorder-dialog.js";
import { t } from "./texts.js";

export class ClipField {
  /** @type {File | null} */
  file = null;

  /**
   * @param {string} id element with a .record button, a file input and, if the file
   *   is to be named, a .chosen line
   * @param {(file: File) => void} onTake called with every clip
   */
  constructor(id, onTake = () => {}) {
    const root = byId(id);
    this.line = root.querySelector(".chosen");
    this.onTake = onTake;
    const record = find(root, ".record", HTMLButtonElement);
    record.addEventListener("click", async () => this.take(await recordClip()));
    const input = find(root, "input[type=file]", HTMLInputElement);
    input.addEventListener("change", (event) => this.take(takeFile(event)));
  }

  /** @param {File | null} file */
  take(file) {
    if (!file) return;
    this.file = file;
    this.show(t("people.chosen", { name: file.name }));
    this.onTake(file);
  }

  forget() {
    this.file = null;
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
