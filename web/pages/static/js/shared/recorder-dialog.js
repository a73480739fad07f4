// A recording in a dialog (templates/_recorder.html), where a clip may also be a file.
import { DeviceError, closeDevices, openDevices } from "./devices.js";
import { buttonById, byId } from "./dom.js";
import { followLevel } from "./level.js";
import { RECORD_S, record } from "./recorder.js";
import { pickSentence } from "./sentences.js";
import { t } from "./texts.js";

/** @import { Devices } from "./devices.js" */

/** Ask for a recording. Returns it as a File, or null if the dialog was closed. */
export async function recordClip() {
  const dialog = byId("recorder", HTMLDialogElement);
  const stopper = new AbortController();
  const { signal } = stopper;
  const cancel = () => dialog.close();
  dialog.addEventListener("close", () => stopper.abort(), { once: true });
  buttonById("recorder-cancel").addEventListener("click", cancel, { signal });
  showOpening();
  dialog.showModal();
  try {
    return await recordWithDevices(signal);
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    showText(describeDeviceError(error));
    await waitForAbort(signal);
    return null;
  } finally {
    dialog.close();
  }
}

/** @param {AbortSignal} signal */
async function recordWithDevices(signal) {
  const devices = await openDevices();
  let endLevel = () => {};
  try {
    if (signal.aborted) return null;
    byId("recorder-view", HTMLVideoElement).srcObject = devices.stream;
    if (devices.hasAudio) {
      endLevel = followLevel(devices.stream, byId("recorder-level"));
    }
    await waitForStart(signal);
    return signal.aborted ? null : await recordFile(devices, signal);
  } finally {
    endLevel();
    closeDevices(devices);
  }
}

/** @param {AbortSignal} signal */
async function waitForStart(signal) {
  const start = buttonById("recorder-start");
  showText(t("recorder.about", { sentence: pickSentence() }));
  start.hidden = false;
  start.focus();
  const isClicked = new Promise((resolve) =>
    start.addEventListener("click", resolve, { once: true, signal }),
  );
  await Promise.race([isClicked, waitForAbort(signal)]);
  start.hidden = true;
}

/**
 * @param {Devices} devices
 * @param {AbortSignal} signal
 */
async function recordFile(devices, signal) {
  const left = byId("recorder-left", HTMLProgressElement);
  left.hidden = false;
  const showLeft = (/** @type {number} */ seconds) => (left.value = seconds / RECORD_S);
  const clip = await record(devices, showLeft, signal);
  if (!clip) return null;
  const extension = clip.type.includes("mp4") ? "mp4" : "webm";
  return new File([clip], `${t("recorder.name")}.${extension}`, { type: clip.type });
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
  showText(t("recorder.opening"));
}

/** @param {string} text */
function showText(text) {
  byId("recorder-text").textContent = text;
}

/** @param {DeviceError} error */
const describeDeviceError = ({ reason }) =>
  `${t(`device.${reason}`)}. ${t(`device.${reason}_text`)}`;
