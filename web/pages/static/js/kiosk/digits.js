// Digits that a visitor is asked to say: asked for, shown, and read aloud.
import { byId } from "../shared/dom.js";
import { askDigits } from "../shared/service.js";
import { language, t } from "../shared/texts.js";
import { saysDigits } from "./camera.js";

/** Seconds to read the digits, and to say them. */
export const READ_S = 5;
export const SAY_S = 6;

const RATE = 0.8;

/**
 * Ask for digits where visitors say them. Throws ApiError.
 * @returns {Promise<Api.Challenge | null>}
 */
export async function drawChallenge() {
  return saysDigits() ? askDigits(language) : null;
}

/**
 * Show the digits large, or a sentence.
 * @param {Api.Challenge | null} challenge
 * @param {string} sentence
 */
export function showWords(challenge, sentence) {
  const place = byId("sentence");
  place.textContent = challenge ? [...challenge.digits].join(" ") : sentence;
  place.classList.toggle("digits", Boolean(challenge));
  byId("digits-left").hidden = !challenge;
  byId("read-aloud").hidden = !challenge || !canRead();
}

/** @param {number} left in seconds */
export function showLeft(left) {
  byId("digits-left").textContent = t("kiosk.digits_left", { n: Math.ceil(left) });
}

const canRead = () =>
  "speechSynthesis" in globalThis && speechSynthesis.getVoices().length > 0;

/**
 * Read digits aloud, one by one, until `signal` aborts.
 * @param {string} digits
 * @param {AbortSignal} signal
 */
export async function readAloud(digits, signal) {
  const speech = new SpeechSynthesisUtterance([...digits].join(", "));
  speech.lang = language;
  speech.rate = RATE;
  signal.addEventListener("abort", () => speechSynthesis.cancel());
  await new Promise((resolve) => {
    speech.onend = resolve;
    speech.onerror = resolve; // by `cancel`, too
    speechSynthesis.speak(speech);
  });
}
