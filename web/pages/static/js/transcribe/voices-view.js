// The voices of a recording, and who the strangers are.
import { byId, create } from "../shared/dom.js";
import { nameSpeaker } from "../shared/speakers.js";
import { t } from "../shared/texts.js";
import { colourOf } from "./colours.js";
import { listTurns, listVoices } from "./transcript.js";

/** @import { Line, Voice } from "./transcript.js" */

/**
 * Show who speaks, and for how long.
 * @param {Line[]} lines
 * @param {((voice: Voice) => void) | null} onAsk called to name a stranger; null = nobody
 *   can be named
 */
export function showVoices(lines, onAsk) {
  const items = listVoices(lines).map((voice) => createVoice(voice, lines, onAsk));
  byId("voices").replaceChildren(...items);
}

/**
 * @param {Voice} voice
 * @param {Line[]} lines
 * @param {((voice: Voice) => void) | null} onAsk
 */
function createVoice(voice, lines, onAsk) {
  const seconds = t("transcribe.seconds", { n: Math.round(voice.seconds) });
  const item = create(
    "li",
    { className: "voice" },
    create("strong", { textContent: nameSpeaker(voice.label) }),
    create("span", { className: "soft", textContent: seconds }),
  );
  item.style.setProperty("--voice", colourOf(voice.label));
  if (onAsk && listTurns(lines, voice.label).length)
    item.append(createAsk(voice, onAsk));
  return item;
}

/**
 * @param {Voice} voice
 * @param {(voice: Voice) => void} onAsk
 */
function createAsk(voice, onAsk) {
  const textContent = t("transcribe.who", { name: nameSpeaker(voice.label) });
  const button = create("button", { type: "button", className: "small", textContent });
  button.addEventListener("click", () => onAsk(voice));
  return button;
}
