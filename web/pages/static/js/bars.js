// An answer's bars, the same on every page: by both, by face, by voice, each score (a cosine) against its threshold.
import { figure, t } from "./texts.js";

export const MODALITIES = ["fused", "face", "voice"];

/** A score in [-1, 1] as a share of the bar; what is below 0 is as good as nothing. */
const share = (score) => Math.min(1, Math.max(0, score));

/** The score of a decision of POST /v1/identify or a verdict of POST /v1/verify; null where nothing was compared. */
export const scoreOf = (answer) => answer.score ?? (answer.margin === null || answer.margin === undefined ? null : answer.threshold + answer.margin);

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function bar(modality, answer) {
  const score = scoreOf(answer);
  const passed = answer.outcome === "accepted" || answer.outcome === "same";
  const item = element("li", "bar");
  item.dataset.passed = passed;
  item.dataset.modality = modality;
  item.append(element("span", "what", t(`by.${modality}`)));
  item.append(element("span", "verdict number", verdict(answer, score, passed)));
  const track = element("div", "track");
  track.setAttribute("aria-hidden", "true");
  if (score !== null) {
    const fill = element("div", "fill");
    fill.style.width = `${100 * share(score)}%`;
    const limit = element("div", "limit");
    limit.style.left = `${100 * share(answer.threshold)}%`;
    track.append(fill, limit);
  }
  item.append(track);
  return item;
}

function verdict(answer, score, passed) {
  if (score === null) return t(answer.outcome === "conflict" ? "bars.conflict" : "bars.nothing");
  return t(passed ? "bars.passed" : "bars.failed", { score: figure(score, 2), threshold: figure(answer.threshold, 2) });
}

/** Fills `list` with the three bars of an answer. */
export function showBars(list, answer) {
  list.replaceChildren(...MODALITIES.map((modality) => bar(modality, answer[modality])));
}

const LONG_NAME = 24; // characters: from here on it is written smaller

/** Writes a name large; a long one so that it leaves room for the rest. */
export function showName(place, name) {
  place.textContent = name;
  place.dataset.long = [...name].length > LONG_NAME;
}

/** Fills `list` with lines of text and hides it when there are none. */
export function showLines(list, lines) {
  list.replaceChildren(...lines.map((line) => element("li", "", line)));
  list.hidden = !lines.length;
}
