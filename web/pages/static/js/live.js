// Entry of /live: writes down what is said, and by whom.
import { Connection } from "./live/connection.js";
import { Microphone } from "./live/microphone.js";
import { Transcript } from "./live/transcript.js";
import { DeviceError } from "./shared/devices.js";
import { buttonById, byId, create, inputById, listenAll } from "./shared/dom.js";
import { describeCode } from "./shared/errors.js";
import { showError } from "./shared/notice.js";
import { hasText, t } from "./shared/texts.js";

const REGISTRATION_S = 5;

/** What the service takes for no part of a name: signs that cannot be seen. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** @typedef {import("./live/connection.js").Message} Message */
/** @typedef {import("./live/transcript.js").Turn} Turn */

/** @type {Connection | null} */
let connection = null;
/** @type {Turn | null} */
let asked = null;
let speakers = 0;
let isRefused = false;
/** @type {"waiting" | "registering" | "writing" | "paused"} */
let state = "waiting";

const transcript = new Transcript(askWho);
const microphone = new Microphone(byId("live-level"), (sound) => {
  if (isHeard()) connection?.hear(sound);
});

function isHeard() {
  return state === "writing" || (state === "registering" && !isRefused);
}

/** @type {Record<string, (message: any) => void>} */
const handlers = {
  turn_started: (message) => transcript.showPartial(message),
  partial_transcription: (message) => transcript.showPartial(message),
  transcription: (message) => transcript.showFinal(message),
  turn_dropped: (message) => transcript.drop(message.turn_id),
  relabel: (message) => transcript.relabel(message),
  speaker_enrolled: ({ speaker }) =>
    say("live-status", t("live.enrolled", { name: speaker })),
  gap: (message) => transcript.showGap(message.missing_s),
  speaker_registration_started: (message) => say("speaker-status", message.message),
  speaker_registration_completed: showSpeaker,
  notice: showNotice,
  error: showRefusal,
  transcription_ended: end,
};

/** @param {Message} message */
function onMessage(message) {
  handlers[message.type]?.(message);
  if (typeof message.lag_s === "number" && message.type !== "model_loaded") {
    say("live-lag", t("live.lag", { n: message.lag_s.toFixed(1) }));
  }
}

/** @param {"cut" | "back" | "lost"} change */
function onState(change) {
  say("live-status", t(`live.${change}`));
  if (change === "lost") end();
}

/** Open the microphone and the connection, unless they are open. */
async function connect() {
  byId("live-problem").hidden = true;
  const rateHz = await microphone.open();
  byId("on-air").hidden = false;
  if (connection?.isOpen) return connection;
  connection = new Connection(onMessage, onState);
  await connection.open(rateHz);
  return connection;
}

async function start() {
  try {
    const open = await connect();
    transcript.clear();
    open.send("start_transcription", { sample_rate: open.rateHz, ...readOptions() });
    setState("writing");
  } catch (error) {
    fail(error);
  }
}

function readOptions() {
  return {
    language: byId("live-language", HTMLSelectElement).value,
    silence_duration: inputById("live-silence").valueAsNumber,
    num_speakers: inputById("live-most").valueAsNumber,
  };
}

function pause() {
  setState(state === "paused" ? "writing" : "paused");
}

function stop() {
  connection?.send("stop_transcription");
  setState("waiting");
}

/** Forget the session. What was written stays on the page. */
function end() {
  connection?.close();
  connection = null;
  microphone.close();
  byId("on-air").hidden = true;
  speakers = 0;
  byId("speakers").replaceChildren();
  setState("waiting");
}

/** @param {typeof state} next */
function setState(next) {
  state = next;
  const isOn = next === "writing" || next === "paused";
  byId("live-start").hidden = isOn;
  byId("live-pause").hidden = !isOn;
  byId("live-stop").hidden = !isOn;
  byId("live-pause").textContent = t(next === "paused" ? "live.go_on" : "live.pause");
  byId("speaker-add").toggleAttribute("disabled", isOn || next === "registering");
  byId("live-export").hidden = transcript.turns.size === 0 && !isOn;
}

/** @param {SubmitEvent} event */
async function register(event) {
  event.preventDefault();
  const name = inputById("speaker-name").value.trim();
  if (!name || state !== "waiting") return;
  const refusal = refuse(name);
  if (refusal) {
    showProblem(refusal);
    return;
  }
  isRefused = false;
  try {
    const open = await connect();
    const speaker_id = speakers;
    open.send("start_speaker_registration", {
      speaker_id,
      name,
      sample_rate: open.rateHz,
    });
    setState("registering");
    await countDown();
    if (!isRefused) open.send("complete_speaker_registration", { speaker_id });
  } catch (error) {
    fail(error);
  }
  setState("waiting");
}

/**
 * Say what is wrong with the name of a new speaker, if anything is.
 * @param {string} name
 */
function refuse(name) {
  if (UNSEEN.test(name)) return t("live.unseen");
  return isTaken(name) ? t("live.taken", { name }) : "";
}

/** @param {string} name */
function isTaken(name) {
  return [...byId("speakers").children].some((item) => item.textContent === name);
}

/** Count the seconds of a registration down, until the service refuses it. */
async function countDown() {
  for (let left = REGISTRATION_S; left > 0 && !isRefused; left -= 1) {
    say("speaker-status", t("live.say", { n: left }));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** @param {{ speaker: string, message: string }} message */
function showSpeaker({ speaker, message }) {
  speakers += 1;
  byId("speakers").append(create("li", { textContent: speaker }));
  inputById("speaker-name").value = "";
  say("speaker-status", message);
}

/** @param {Turn} turn */
function askWho(turn) {
  asked = turn;
  byId("who-form", HTMLFormElement).reset();
  byId("who-dialog", HTMLDialogElement).showModal();
}

function nameSpeaker() {
  const name = inputById("who-name").value.trim();
  if (!asked || !name) return;
  if (UNSEEN.test(name)) {
    showProblem(t("live.unseen"));
    return;
  }
  const speaker = { turn_id: asked.turn_id, name };
  if (inputById("who-enroll").checked)
    connection?.send("enroll_speaker", { ...speaker, consent: t("live.enroll") });
  else connection?.send("name_speaker", speaker);
}

/** @param {{ code: string, message: string }} notice */
function showNotice({ code, message }) {
  // Sound was on its way when a registration was refused
  if (code === "sound_passed_over") return;
  say("live-status", code === "too_fast" ? t("live.too_fast") : message);
}

/** @param {{ code: string, message: string, hint: string }} error */
function showRefusal({ code, message, hint }) {
  const known = `live.error.${code}`;
  isRefused = true;
  say("speaker-status", "");
  showProblem(hasText(known) ? t(known) : describeCode(code, [message, hint]));
  if (
    ["busy", "idle", "key_required", "forbidden", "speech_unavailable"].includes(code)
  )
    end();
}

/** @param {unknown} error */
function fail(error) {
  end();
  if (!(error instanceof DeviceError)) {
    showError("live-problem", error);
    return;
  }
  showProblem(t(`live.device.${error.reason}`));
}

/** @param {string} text */
function showProblem(text) {
  say("live-problem", text);
  byId("live-problem").hidden = false;
}

/**
 * @param {string} id
 * @param {string} text
 */
function say(id, text) {
  byId(id).textContent = text;
}

/** @param {Event} event */
function save(event) {
  const button = /** @type {HTMLElement} */ (event.currentTarget);
  const form = button.dataset.form ?? "txt";
  const url = URL.createObjectURL(
    new Blob([transcript.write(form)], { type: "text/plain" }),
  );
  create("a", { href: url, download: `live.${form}` }).click();
  URL.revokeObjectURL(url);
}

buttonById("live-start").addEventListener("click", start);
buttonById("live-pause").addEventListener("click", pause);
buttonById("live-stop").addEventListener("click", stop);
byId("speaker-form", HTMLFormElement).addEventListener("submit", register);
byId("who-form", HTMLFormElement).addEventListener("submit", nameSpeaker);
buttonById("who-cancel").addEventListener("click", () =>
  byId("who-dialog", HTMLDialogElement).close(),
);
listenAll("#live-export [data-form]", "click", save);
setState("waiting");
