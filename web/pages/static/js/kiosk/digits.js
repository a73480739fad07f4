// The digits that a visitor is asked to say, as the kiosk shows them.
import { canRead, spaceOut } from "../shared/digits.js";
import { byId } from "../shared/dom.js";
import { t } from "../shared/texts.js";

/**
 * Show the digits large, or a sentence.
 * @param {Api.Challenge | null} challenge
 * @param {string} sentence
 */
export function showWords(challenge, sentence) {
  const place = byId("sentence");
  place.textContent = challenge ? spaceOut(challenge) : sentence;
  place.classList.toggle("digits", Boolean(challenge));
  byId("digits-left").hidden = !challenge;
  byId("read-aloud").hidden = !challenge || !canRead();
}

/** @param {number} left in seconds */
export function showLeft(left) {
  byId("digits-left").textContent = t("kiosk.digits_left", { n: Math.ceil(left) });
}
