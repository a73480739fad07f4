// The bubbles of a talk, and the talk as a file.
import { byId, create } from "../shared/dom.js";
import { CAPTIONS, formatTime } from "../shared/exports.js";
import { nameSpeaker, nameSpeakers } from "../shared/speakers.js";
import { t } from "../shared/texts.js";

/**
 * @typedef {object} Turn
 * @property {number} turn_id
 * @property {number} revision
 * @property {number} speaker_id
 * @property {string} speaker
 * @property {string} outcome
 * @property {number} start_s
 * @property {number} end_s
 * @property {string} text
 * @property {string} timestamp
 */

const NEAR_PX = 60;
const HUES = [172, 28, 262, 96, 330, 210, 50, 300];

export class Transcript {
  /** @type {Map<number, Turn>} */
  turns = new Map();
  /** @type {string[]} */
  speakers = [];

  /** @param {(turn: Turn) => void} onAsk called when somebody says who a stranger is */
  constructor(onAsk) {
    this.onAsk = onAsk;
    this.list = byId("bubbles");
    this.list.addEventListener("scroll", () => this.showNewest());
    byId("newest").addEventListener("click", () => this.follow());
  }

  clear() {
    this.turns.clear();
    this.speakers = [];
    this.list.replaceChildren();
    byId("live-empty").hidden = false;
  }

  /**
   * Show a turn that began, or its text so far.
   * @param {Partial<Turn> & { turn_id: number }} part
   */
  showPartial(part) {
    this.change(part.turn_id, (item) => {
      item.dataset.partial = "true";
      if (part.speaker) this.showWho(item, /** @type {Turn} */ (part));
      if (part.text) this.said(item).textContent = part.text;
    });
  }

  /** @param {Turn} turn */
  showFinal(turn) {
    this.turns.set(turn.turn_id, turn);
    this.change(turn.turn_id, (item) => {
      item.dataset.partial = "false";
      this.showWho(item, turn);
      this.said(item).textContent = turn.text;
    });
  }

  /** @param {number} turnId */
  drop(turnId) {
    document.getElementById(`turn-${turnId}`)?.remove();
  }

  /** @param {{ turns: Record<string, number> } & Pick<Turn, "speaker" | "speaker_id" | "outcome">} change */
  relabel({ turns, speaker, speaker_id, outcome }) {
    for (const [id, revision] of Object.entries(turns)) {
      const turn = this.turns.get(Number(id));
      if (!turn) continue;
      this.showFinal({ ...turn, ...{ speaker, speaker_id, outcome, revision } });
    }
  }

  /** @param {number} seconds */
  showGap(seconds) {
    const textContent = t("live.gap", { n: Math.round(seconds) });
    this.add(create("li", { className: "soft", textContent }));
  }

  /**
   * @param {number} turnId
   * @param {(item: HTMLElement) => void} change
   */
  change(turnId, change) {
    const isNear = this.isNear();
    const id = `turn-${turnId}`;
    const item = document.getElementById(id) ?? this.add(createBubble(id));
    change(item);
    byId("live-empty").hidden = true;
    if (isNear) this.follow();
    this.showNewest();
  }

  /** @param {HTMLElement} item */
  add(item) {
    this.list.append(item);
    return item;
  }

  /** @param {HTMLElement} item */
  said = (item) => /** @type {HTMLElement} */ (item.lastElementChild);

  /**
   * @param {HTMLElement} item
   * @param {Turn} turn
   */
  showWho(item, turn) {
    if (!this.speakers.includes(turn.speaker)) this.speakers.push(turn.speaker);
    const place = this.speakers.indexOf(turn.speaker);
    item.dataset.side = place % 2 ? "right" : "left";
    item.style.setProperty("--speaker", `hsl(${HUES[place % HUES.length]} 55% 45%)`);
    const who = /** @type {HTMLElement} */ (item.firstElementChild);
    const time = create("time", { textContent: formatClock(turn.start_s ?? 0) });
    who.replaceChildren(
      create("span", { textContent: nameSpeaker(turn.speaker) }),
      time,
    );
    if (turn.outcome === "inferred") who.append(create("span", { textContent: "?" }));
    if (turn.outcome === "unknown" && turn.text) who.append(this.askButton(turn));
  }

  /** @param {Turn} turn */
  askButton(turn) {
    const textContent = t("live.who");
    const button = create("button", {
      type: "button",
      className: "quiet small",
      textContent,
    });
    button.addEventListener("click", () => this.onAsk(turn));
    return button;
  }

  isNear() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  follow() {
    this.list.scrollTop = this.list.scrollHeight;
  }

  showNewest() {
    byId("newest").hidden = this.isNear();
  }

  /**
   * Write the talk as a file.
   * @param {string} form srt, vtt, txt or json
   */
  write(form) {
    const turns = [...this.turns.values()];
    const { write } = CAPTIONS[form] ?? {};
    if (!write) return JSON.stringify(turns, null, 1);
    return write(nameSpeakers(turns.map(captionOf)));
  }
}

/** @param {Turn} turn */
const captionOf = ({ start_s, end_s, text, speaker }) => ({
  start: start_s,
  end: end_s,
  text,
  speaker,
});

/** @param {string} id */
function createBubble(id) {
  const who = create("div", { className: "who" });
  const said = create("div", { className: "said", textContent: "…" });
  return create("li", { id, className: "bubble" }, who, said);
}

/** @param {number} seconds */
const formatClock = (seconds) => formatTime(seconds, ".").slice(3, 8);
