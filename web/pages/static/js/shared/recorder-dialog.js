// A recording in a dialog (templates/_recorder.html), where a clip may also be a file.
import { countDown } from "./clock.js";
import { DeviceError, closeDevices, openDevices } from "./devices.js";
import { READ_S, SAY_S, drawChallenge, saysDigits, spaceOut } from "./digits.js";
import { buttonById, byId } from "./dom.js";
import { ApiError, describeHints } from "./errors.js";
import { followLevel } from "./level.js";
import { RECORD_S, record } from "./recorder.js";
import { pickSentence } from "./sentences.js";
import { t } from "./texts.js";

/** @import { Devices } from "./devices.js" */

/**
 * A clip, and the id of the digits that are said in it.
 * @typedef {{ file: File, challenge?: string | undefined }} Recording
 */

/**
 * Ask for a recording. Returns null if the dialog was closed.
 * @param {{ digits?: boolean }} [options] `digits`: digits are said where the page asks
 *   for them
 */
export async function recordClip({ digits = true } = {}) {
  const dialog = byId("recorder", HTMLDialogElement);
  const stopper = new AbortController();
  const { signal } = stopper;
  const cancel = () => dialog.close();
  dialog.addEventListener("close", () => stopper.abort(), { once: true });
  buttonById("recorder-cancel").addEventListener("click", cancel, { signal });
  showOpening();
  dialog.showModal();
  try {
    return await recordWithDevices(signal, digits && saysDigits());
  } catch (error) {
    showText(describeProblem(error));
    await waitForAbort(signal);
    return null;
  } finally {
    dialog.close();
  }
}

/**
 * @param {AbortSignal} signal
 * @param {boolean} digits whether they are said
 */
async function recordWithDevices(signal, digits) {
  const devices = await openDevices();
  let endLevel = () => {};
  try {
    if (signal.aborted) return null;
    byId("recorder-view", HTMLVideoElement).srcObject = devices.stream;
    if (devices.hasAudio) {
      endLevel = followLevel(devices.stream, byId("recorder-level"));
    }
    await waitForStart(signal, digits);
    if (signal.aborted) return null;
    const challenge = digits ? await drawChallenge() : null;
    return await recordWords(devices, signal, challenge);
  } finally {
    endLevel();
    closeDevices(devices);
  }
}

/**
 * @param {AbortSignal} signal
 * @param {boolean} digits whether they are said
 */
async function waitForStart(signal, digits) {
  const start = buttonById("recorder-start");
  start.textContent = t("recorder.start", { n: digits ? SAY_S : RECORD_S });
  showText(describeTask(digits));
  start.hidden = false;
  start.focus();
  const isClicked = new Promise((resolve) =>
    start.addEventListener("click", resolve, { once: true, signal }),
  );
  await Promise.race([isClicked, waitForAbort(signal)]);
  start.hidden = true;
}

/**
 * Record the digits, after a time to read them, or else a sentence.
 * @param {Devices} devices
 * @param {AbortSignal} signal
 * @param {Api.Challenge | null} challenge
 * @returns {Promise<Recording | null>}
 */
async function recordWords(devices, signal, challenge) {
  if (challenge) {
    showDigits(challenge);
    await countDown(READ_S, showLeftOf(READ_S), signal);
    showText(t("recorder.digits_now"));
  }
  const file = await recordFile(devices, signal, challenge ? SAY_S : RECORD_S);
  return file && { file, challenge: challenge?.challenge_id };
}

/** @param {Api.Challenge} challenge */
function showDigits(challenge) {
  showText(t("recorder.digits_ready"));
  byId("recorder-digits").textContent = spaceOut(challenge);
  byId("recorder-digits").hidden = false;
}

/**
 * @param {Devices} devices
 * @param {AbortSignal} signal
 * @param {number} seconds
 */
async function recordFile(devices, signal, seconds) {
  const clip = await record(devices, showLeftOf(seconds), signal, seconds);
  if (!clip) return null;
  const extension = clip.type.includes("mp4") ? "mp4" : "webm";
  return new File([clip], `${t("recorder.name")}.${extension}`, { type: clip.type });
}

/**
 * Make a function that shows how much is left of these seconds.
 * @param {number} seconds
 */
function showLeftOf(seconds) {
  const bar = byId("recorder-left", HTMLProgressElement);
  bar.hidden = false;
  return (/** @type {number} */ left) => (bar.value = left / seconds);
}

/** @param {AbortSignal} signal */
function waitForAbort(signal) {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(undefined), { once: true }),
  );
}

function showOpening() {
  buttonById("recorder-start").hidden = true;
  byId("recorder-left").hidden = true;
  byId("recorder-digits").hidden = true;
  showText(t("recorder.opening"));
}

/** @param {string} text */
function showText(text) {
  byId("recorder-text").textContent = text;
}

/** @param {boolean} digits whether they are said */
const describeTask = (digits) =>
  digits
    ? t("recorder.digits_about")
    : t("recorder.about", { sentence: pickSentence() });

/**
 * Describe what the dialog can say to somebody. Throws every other error.
 * @param {unknown} error
 */
function describeProblem(error) {
  if (error instanceof DeviceError) return describeDeviceError(error);
  if (error instanceof ApiError)
    return [error.message, ...describeHints(error)].join(" ");
  throw error;
}

/** @param {DeviceError} error */
const describeDeviceError = ({ reason }) =>
  t("recorder.no_device", {
    what: t(`device.${reason}`),
    advice: t(`device.${reason}_text`),
  });
