// Who speaks, in the page's language.
import { t } from "./texts.js";

/**
 * Name a speaker.
 * @param {string} speaker "unknown 2" for strangers, "unknown" where too little is said
 */
export function nameSpeaker(speaker) {
  if (speaker === "deleted person") return t("speaker.deleted");
  if (speaker === "unknown") return t("speaker.nobody_told");
  const number = /^unknown (\d+)$/.exec(speaker)?.[1];
  return number ? t("speaker.unknown", { n: number }) : speaker;
}

/**
 * Name the speakers of lines that people read.
 * @template {{ speaker: string }} Line
 * @param {Line[]} lines
 * @returns {Line[]}
 */
export const nameSpeakers = (lines) =>
  lines.map((line) => ({ ...line, speaker: nameSpeaker(line.speaker) }));
