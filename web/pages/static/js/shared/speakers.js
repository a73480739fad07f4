// Who speaks, in the page's language.
import { t } from "./texts.js";

/**
 * Name a speaker. Strangers are numbered.
 * @param {string} speaker "unknown 2" for strangers
 * @param {string} text key of the text for a stranger
 */
export function nameSpeaker(speaker, text) {
  const number = /^unknown (\d+)$/.exec(speaker)?.[1];
  return number ? t(text, { n: number }) : speaker;
}
