// Digits that somebody is asked to say: asked for, and read aloud.
import { askDigits } from "./service.js";
import { language } from "./texts.js";

/** Seconds to read the digits, and to say them. */
export const READ_S = 5;
export const SAY_S = 6;

const RATE = 0.8;

/** Whether people say digits on this page. */
export const saysDigits = () => document.documentElement.dataset.digits === "true";

/**
 * Ask for digits where people say them. Throws ApiError.
 * @returns {Promise<Api.Challenge | null>}
 */
export async function drawChallenge() {
  return saysDigits() ? askDigits(language) : null;
}

/**
 * Space digits out, so that they are read one by one.
 * @param {Api.Challenge} challenge
 */
export const spaceOut = ({ digits }) => [...digits].join(" ");

export const canRead = () =>
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
