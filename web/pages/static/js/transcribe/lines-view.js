// The lines on the page. A click plays a line.
import { byId, create } from "../shared/dom.js";
import { formatTime } from "../shared/exports.js";
import { nameSpeaker } from "../shared/speakers.js";
import { t } from "../shared/texts.js";
import { colourOf } from "./colours.js";
import { findLine } from "./transcript.js";

/** @import { Line } from "./transcript.js" */

/**
 * Texts for what names a speaker. The voice alone is what is usual.
 * @type {Record<string, string>}
 */
const BY = { face: "transcribe.by_face", "face and voice": "transcribe.by_both" };

export class LinesView {
  #list = byId("lines");
  #player = byId("player", HTMLVideoElement);

  /** @type {Line[]} */
  #lines = [];

  /** Where a line that was clicked ends, in seconds. */
  #stopAt = Infinity;

  constructor() {
    this.#player.addEventListener("timeupdate", () => this.#follow());
    this.#player.addEventListener("seeking", () => {
      if (this.#player.paused) this.#stopAt = Infinity;
    });
  }

  /** @param {Line[]} lines */
  show(lines) {
    this.#lines = lines;
    this.#list.replaceChildren(
      ...lines.map((line) => create("li", {}, this.#createLine(line))),
    );
    this.#follow();
  }

  /** @param {Line} line */
  add(line) {
    this.#lines.push(line);
    this.#list.append(create("li", {}, this.#createLine(line)));
  }

  /** @param {Line} line */
  #createLine(line) {
    const button = create(
      "button",
      { type: "button", className: "line", title: t("transcribe.play") },
      create("span", {
        className: "time",
        textContent: formatTime(line.start, ".").slice(0, 8),
      }),
      create("span", {}, ...describeSpeaker(line)),
      create("span", { className: "text", textContent: line.text }),
    );
    button.style.setProperty("--voice", colourOf(line.speaker));
    button.addEventListener("click", () => this.#play(line));
    return button;
  }

  /** @param {Line} line */
  async #play({ start, end }) {
    this.#player.currentTime = start;
    this.#stopAt = end;
    await this.#player.play().catch(() => {}); // a browser may not play this kind of file
  }

  #follow() {
    const now = this.#player.currentTime;
    if (now >= this.#stopAt) {
      this.#stopAt = Infinity;
      this.#player.pause();
    }
    const current = this.#player.paused && !now ? -1 : findLine(this.#lines, now);
    [...this.#list.children].forEach((item, i) =>
      item.firstElementChild?.setAttribute("aria-current", String(i === current)),
    );
  }
}

/** @param {Line} line */
function describeSpeaker({ speaker, outcome, decidedBy, overlap }) {
  const notes = [
    decidedBy && BY[decidedBy] ? t(BY[decidedBy]) : "",
    outcome === "conflict" ? t("transcribe.conflict") : "",
    outcome === "inferred" ? t("transcribe.inferred") : "",
    overlap ? t("transcribe.overlap") : "",
  ].filter(Boolean);
  return [
    create("span", { className: "speaker", textContent: nameSpeaker(speaker) }),
    create("span", {
      className: "note",
      textContent: notes.length ? ` (${notes.join(", ")})` : "",
    }),
  ];
}
