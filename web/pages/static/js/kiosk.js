// Entry of /kiosk: connects the buttons of the page with the parts of the kiosk.
import { askForKey } from "./header.js";
import { Camera, showDevices } from "./kiosk/camera.js";
import { IdleTimer } from "./kiosk/idle-timer.js";
import { Kiosk } from "./kiosk/kiosk.js";
import {
  escape,
  fail,
  noteAnswer,
  reset,
  returnToAnswer,
  startEnrolment,
} from "./kiosk/machine.js";
import { offerResend } from "./kiosk/problem-view.js";
import { rejectAnswer, sendClip } from "./kiosk/sending.js";
import { loadLateViews, showStage } from "./kiosk/stage-view.js";
import { byId, listenAll, takeFile } from "./shared/dom.js";
import { asApiError, serverGone } from "./shared/errors.js";

export const kiosk = new Kiosk();
const camera = new Camera(kiosk);
kiosk.listen(showStage);
const idleTimer = new IdleTimer(kiosk);

/**
 * @param {string} id
 * @param {() => void} action
 */
const onClick = (id, action) => byId(id).addEventListener("click", action);

function retry() {
  if (kiosk.state.devices) kiosk.apply(reset);
  else camera.open();
}

/** Load what records: the first view does not need it. Throws ApiError. */
async function loadCapture() {
  try {
    return (await import("./kiosk/capture.js")).captureOf(kiosk);
  } catch {
    throw serverGone();
  }
}

async function startCapture() {
  try {
    const capture = await loadCapture();
    await capture.start();
  } catch (error) {
    kiosk.apply(fail, asApiError(error));
  }
}

async function readAloud() {
  (await loadCapture()).readAloud();
}

function resend() {
  if (kiosk.state.clip) sendClip(kiosk, kiosk.state.clip);
}

/** @param {Event} event */
function sendFile(event) {
  const file = takeFile(event);
  if (file) sendClip(kiosk, file);
}

/** @param {KeyboardEvent} event */
function pressKey(event) {
  idleTimer.restart();
  const isDialogOpen = document.querySelector("dialog[open]") !== null;
  if (event.key === "Escape" && !isDialogOpen) kiosk.apply(escape);
}

/** @param {Event} event */
function submitForm(event) {
  event.preventDefault();
  submit();
}

async function submit() {
  (await loadLateViews()).submitEnrolment(kiosk);
}

async function addClip() {
  (await loadLateViews()).addToDuplicate(kiosk);
}

/** @param {Partial<import("./kiosk/machine.js").EnrolmentAnswers>} said */
function submitAgain(said) {
  kiosk.apply(noteAnswer, said);
  submit();
}

onClick("open", () => camera.open());
onClick("start", startCapture);
onClick("read-aloud", readAloud);
for (const id of ["stop", "again", "enrolled-done"])
  onClick(id, () => kiosk.apply(reset));
onClick("retry", retry);
onClick("resend", resend);
onClick("give-key", askForKey);
onClick("not-me", () => rejectAnswer(kiosk));
onClick("enrol", () => kiosk.apply(startEnrolment));
byId("enrol-form").addEventListener("submit", submitForm);
for (const id of ["enrol-cancel", "duplicate-cancel", "namesake-cancel"]) {
  onClick(id, () => kiosk.apply(returnToAnswer));
}
onClick("duplicate-other", () => submitAgain({ isSomebodyElse: true }));
onClick("namesake-other", () => submitAgain({ isNamesake: true }));
onClick("namesake-rename", () => kiosk.apply(startEnrolment));
onClick("duplicate-same", addClip);
listenAll("input.file", "change", sendFile);
document.addEventListener("pointerdown", () => idleTimer.restart());
document.addEventListener("keydown", pressKey);
document.addEventListener("key-changed", offerResend);
addEventListener("pagehide", () => camera.close());

showDevices(null);
camera.openIfGranted();
