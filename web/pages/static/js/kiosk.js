// The kiosk: one state after another, each with its view in the panel. What is recorded stays in this page until the next person begins.
import { call, upload } from "./api.js";
import { showAnswer } from "./kiosk-answer.js";
import { Enrolment } from "./kiosk-enrol.js";
import { showProblem } from "./kiosk-problem.js";
import { RECORD_S, clock, closeDevices, followLevel, openDevices, record } from "./recorder.js";
import { figure, percent, sentence, t } from "./texts.js";

const COUNTDOWN_S = 3;
const IDLE_MS = 60_000; // then the answer is taken off the screen: the next person need not read it
const $ = (id) => document.getElementById(id);
const kiosk = $("main");
const view = $("view");

let devices = null;
let endLevel = () => {};
let clip = null;
let answer = null;
let stopper = null;
let idle = 0;

/** Shows the view of a state and puts the focus on what comes next in it. */
function show(state, viewName = state, focus = null) {
  kiosk.dataset.state = state;
  for (const part of document.querySelectorAll("[data-view]")) part.hidden = part.dataset.view !== viewName;
  const shown = document.querySelector(`[data-view="${viewName}"]`);
  (focus ?? shown).focus({ preventScroll: true });
  shown.parentElement.scrollTop = 0;
  restartIdle();
}

const say = (text) => { $("said").textContent = text; };

function restartIdle() {
  clearTimeout(idle);
  const rests = ["welcome", "ready", "countdown", "recording", "sending"].includes(kiosk.dataset.state);
  if (!rests) idle = setTimeout(ready, IDLE_MS);
}

// ---- camera and microphone
async function open() {
  const state = kiosk.dataset.state; // whoever uses a file meanwhile is not interrupted
  try {
    closeDevices(devices);
    devices = await openDevices();
  } catch (error) {
    devices = null;
    markDevices();
    return kiosk.dataset.state === state && problem(error);
  }
  view.srcObject = devices.stream;
  for (const track of devices.stream.getTracks()) track.addEventListener("ended", lost);
  endLevel();
  endLevel = devices.hasAudio ? followLevel(devices.stream, (level) => { $("level").style.transform = `scaleX(${level})`; }) : () => {};
  markDevices();
  return kiosk.dataset.state === state && ready();
}

function markDevices() {
  kiosk.dataset.picture = Boolean(devices?.hasVideo);
  kiosk.dataset.sound = Boolean(devices?.hasAudio);
  $("one-device").hidden = !devices || (devices.hasVideo && devices.hasAudio);
  if (!devices) return;
  $("one-device").textContent = t(devices.hasVideo ? "kiosk.no_microphone" : "kiosk.no_camera");
  $("ready-title").textContent = t(devices.hasVideo ? "kiosk.ready" : "kiosk.ready_voice");
  $("ready-about").textContent = t(devices.hasVideo ? "kiosk.ready_about" : "kiosk.ready_voice_about");
}

/** The camera was pulled out, or the permission withdrawn. */
function lost() {
  closeDevices(devices);
  devices = null;
  endLevel();
  markDevices();
  stopper?.abort();
  problem({ reason: "missing" });
}

// ---- the way of one person
function ready() {
  clip = answer = null;
  if (!devices) return show("welcome", "welcome", $("open"));
  view.play().catch(() => {});
  return show("ready", "ready", $("start"));
}

const retry = () => (devices ? ready() : open());

async function begin() {
  stopper = new AbortController();
  const { signal } = stopper;
  $("sentence").textContent = sentence();
  $("speak-title").textContent = t("kiosk.get_ready");
  show("countdown", "speak");
  say(`${t("kiosk.get_ready")} ${$("sentence").textContent}`);
  await clock(COUNTDOWN_S, (left) => { $("count").textContent = left ? Math.ceil(left) : ""; }, signal);
  if (signal.aborted) return;
  $("speak-title").textContent = t("kiosk.now_say");
  kiosk.dataset.state = "recording";
  say(t("kiosk.now"));
  try {
    clip = await record(devices, showRemaining, signal);
  } catch (error) {
    problem(error);
    return;
  }
  if (!clip) return;
  performance.mark("recorded");
  view.pause();
  await send();
}

function showRemaining(left) {
  $("remaining").value = left / RECORD_S;
  $("remaining-text").textContent = t("kiosk.seconds", { n: figure(left) });
  $("ring").style.strokeDashoffset = left / RECORD_S;
}

function cancel() {
  stopper?.abort();
  $("count").textContent = "";
  ready();
}

async function send() {
  show("sending");
  showSent(0);
  try {
    answer = await upload("/v1/identify", { media: clip }, showSent);
  } catch (error) {
    problem(error);
    return;
  }
  showAnswer(answer, { canEnrol: true });
  show("answer", "answer", $("again"));
  performance.mark("answered");
}

function showSent(share) {
  const done = share >= 1;
  if (done) $("sent").removeAttribute("value");
  else $("sent").value = share;
  $("sending-text").textContent = done ? t("kiosk.comparing") : t("kiosk.sending", { percent: percent(share) });
  if (done) say(t("kiosk.comparing"));
}

function useFile(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  clip = file;
  send();
}

// ---- after the answer
async function notMe() {
  $("not-me").disabled = true;
  try {
    await call("POST", `/v1/identifications/${encodeURIComponent(answer.request_id)}/feedback`, { person_id: answer.fused.match.person_id, same: false });
    $("told").textContent = t("kiosk.told");
    $("enrol").hidden = false;
  } catch (error) {
    $("told").textContent = error.status === 404 ? t("kiosk.told_not") : error.text;
    $("not-me").disabled = error.status === 404;
  }
  $("told").hidden = false;
}

function problem(error) {
  const first = showProblem(error, Boolean(clip));
  show("problem", "problem", first);
}

const enrolment = new Enrolment({ show, problem, done: ready, clip: () => clip, back: () => show("answer", "answer", $("again")) });

$("open").addEventListener("click", open);
$("start").addEventListener("click", begin);
$("stop").addEventListener("click", cancel);
$("again").addEventListener("click", ready);
$("enrolled-done").addEventListener("click", ready);
$("retry").addEventListener("click", retry);
$("resend").addEventListener("click", send);
$("not-me").addEventListener("click", notMe);
$("enrol").addEventListener("click", () => enrolment.ask());
for (const input of document.querySelectorAll("input.file")) input.addEventListener("change", useFile);
for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, restartIdle);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]") || kiosk.dataset.state === "sending") return;
  if (["countdown", "recording"].includes(kiosk.dataset.state)) cancel();
  else if (devices) ready();
});
addEventListener("pagehide", () => closeDevices(devices));

kiosk.dataset.picture = "false";
kiosk.dataset.sound = "false";
const granted = await Promise.all(["camera", "microphone"].map((name) => navigator.permissions?.query({ name }).catch(() => null)));
if (granted.every((one) => one?.state === "granted")) open();
