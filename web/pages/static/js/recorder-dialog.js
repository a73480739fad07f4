// A recording in a dialog (templates/_recorder.html), for the pages where a clip may be a file or be recorded.
import { RECORD_S, closeDevices, followLevel, openDevices, record } from "./recorder.js";
import { sentence, t } from "./texts.js";

const $ = (id) => document.getElementById(id);

/** Asks for a recording. Answers with the clip as a File, or null when the person thought better of it. */
export async function recordClip() {
  const dialog = $("recorder");
  const stopper = new AbortController();
  const closed = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  let devices = null;
  let endLevel = () => {};
  $("recorder-start").hidden = $("recorder-left").hidden = true;
  $("recorder-text").textContent = t("recorder.opening");
  dialog.showModal();
  try {
    devices = await openDevices();
    if (!dialog.open) return null;
    $("recorder-view").srcObject = devices.stream;
    if (devices.hasAudio) endLevel = followLevel(devices.stream, (level) => { $("recorder-level").style.transform = `scaleX(${level})`; });
    const clip = await Promise.race([closed.then(() => null), recorded(devices, stopper.signal)]);
    return clip && new File([clip], `${t("recorder.name")}.${clip.type.includes("mp4") ? "mp4" : "webm"}`, { type: clip.type });
  } catch (error) {
    if (!error.reason) throw error;
    $("recorder-text").textContent = `${t(`device.${error.reason}`)}. ${t(`device.${error.reason}_text`)}`;
    await closed;
    return null;
  } finally {
    stopper.abort();
    endLevel();
    closeDevices(devices);
    dialog.close();
  }
}

async function recorded(devices, signal) {
  const [start, left] = ["recorder-start", "recorder-left"].map($);
  $("recorder-text").textContent = t("recorder.about", { sentence: sentence() });
  start.hidden = false;
  start.focus();
  await new Promise((resolve) => start.addEventListener("click", resolve, { once: true, signal }));
  start.hidden = true;
  left.hidden = false;
  return record(devices, (seconds) => { left.value = seconds / RECORD_S; }, signal);
}

$("recorder-cancel").addEventListener("click", () => $("recorder").close());
