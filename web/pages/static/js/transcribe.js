// Entry of /transcribe: what is said in a recording, and by whom.
import { buttonById, byId, inputById, listenAll, takeFile } from "./shared/dom.js";
import { FORMS } from "./shared/exports.js";
import { showError } from "./shared/notice.js";
import { nameSpeakers } from "./shared/speakers.js";
import { t } from "./shared/texts.js";
import { keepColour } from "./transcribe/colours.js";
import { KeptView } from "./transcribe/kept-view.js";
import { LinesView } from "./transcribe/lines-view.js";
import { NamingDialog } from "./transcribe/naming.js";
import { transcribe } from "./transcribe/stream.js";
import {
  lineOfDelta,
  lineOfSegment,
  linesOfKept,
  listTurns,
  renameSpeaker,
} from "./transcribe/transcript.js";
import { showVoices } from "./transcribe/voices-view.js";

/** @import { Line } from "./transcribe/transcript.js" */

const player = byId("player", HTMLVideoElement);
const isInstalled = byId("ask").dataset.installed === "true";
const view = new LinesView();
const naming = new NamingDialog(rename);
const kept = new KeptView(openKept);

/** @type {File | null} */
let file = null;

/** @type {Line[]} */
let lines = [];

/** @type {AbortController | null} */
let running = null;

/** Name of the files that are saved. */
let title = "";

/** @param {File | null} chosen */
function take(chosen) {
  if (!chosen || running) return;
  file = chosen;
  title = chosen.name;
  byId("file-name").textContent = chosen.name;
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(chosen);
  player.hidden = false;
  player.dataset.kind = chosen.type.startsWith("video/") ? "video" : "sound";
  buttonById("start").disabled = !isInstalled;
  byId("talk").hidden = true;
  byId("status").textContent = "";
}

async function start() {
  if (!file || running) return;
  running = new AbortController();
  setRunning(true);
  forget();
  try {
    await follow(file, running.signal);
  } catch (error) {
    const isStopped = running.signal.aborted;
    byId("status").textContent = isStopped ? t("transcribe.stopped") : "";
    if (!isStopped) showError("problem", error);
  } finally {
    running = null;
    setRunning(false);
    showEnd();
    kept.load();
  }
}

/**
 * Show a transcript that was kept before. Its sound is not here.
 * @param {Api.KeptTranscript} transcript
 */
function openKept(transcript) {
  if (running) return;
  file = null;
  title = transcript.title || t("transcribe.kept_untitled");
  lines = linesOfKept(transcript);
  byId("file-name").textContent = t("transcribe.drop");
  buttonById("start").disabled = true;
  player.hidden = true;
  byId("talk").hidden = false;
  byId("status").textContent = "";
  showLines();
  showEnd();
  byId("talk").scrollIntoView();
}

function forget() {
  lines = [];
  view.show([]);
  showVoices([], () => {});
  byId("problem").hidden = true;
  byId("no-lines").hidden = true;
  byId("voices-wait").hidden = false;
  byId("talk").hidden = false;
}

/**
 * Show the lines as they come, and then who says them.
 * @param {File} recording
 * @param {AbortSignal} signal
 */
async function follow(recording, signal) {
  const started = performance.now();
  /** @type {Line[]} */
  const spoken = [];
  byId("status").textContent = t("transcribe.listening");
  for await (const event of transcribe(recording, readOptions(), signal)) {
    if (event.type === "transcript.text.delta") {
      const line = lineOfDelta(event);
      lines.push(line);
      view.add(line);
      showProgress(event.end, (performance.now() - started) / 1000);
    }
    if (event.type === "transcript.text.segment") spoken.push(lineOfSegment(event));
  }
  lines = spoken;
  showLines();
  byId("status").textContent = t("transcribe.done");
}

const readOptions = () => ({
  language: byId("language", HTMLSelectElement).value,
  count: inputById("count").value,
  isSeparate: inputById("separate").checked,
});

/**
 * @param {number} heardS how far the text is, in seconds
 * @param {number} passedS
 */
function showProgress(heardS, passedS) {
  const totalS = player.duration;
  if (!Number.isFinite(totalS) || !heardS) return;
  byId("heard", HTMLProgressElement).value = Math.min(heardS / totalS, 1);
  const leftS = (Math.max(totalS - heardS, 0) * passedS) / heardS;
  byId("status").textContent = t("transcribe.progress", {
    heard: Math.round(heardS),
    total: Math.round(totalS),
    left: Math.ceil(leftS),
  });
}

function showLines() {
  view.show(lines);
  const recording = file;
  if (!recording) return showVoices(lines, null);
  showVoices(lines, (voice) =>
    naming.open({ voice, file: recording, turns: listTurns(lines, voice.label) }),
  );
}

function showEnd() {
  byId("voices-wait").hidden = true;
  byId("no-lines").hidden = lines.length > 0;
  for (const button of document.querySelectorAll("#exports button")) {
    button.toggleAttribute("disabled", !lines.length);
  }
}

/** @param {boolean} isRunning */
function setRunning(isRunning) {
  buttonById("start").hidden = isRunning;
  buttonById("stop").hidden = !isRunning;
  byId("heard").hidden = !isRunning;
  byId("heard", HTMLProgressElement).removeAttribute("value");
  for (const input of document.querySelectorAll("#ask input, #ask select")) {
    input.toggleAttribute("disabled", isRunning);
  }
}

/**
 * Give a voice its name in every line.
 * @param {string} speaker
 * @param {Api.PersonRef} person
 */
function rename(speaker, person) {
  keepColour(speaker, person.name);
  lines = renameSpeaker(lines, speaker, person);
  showLines();
  byId("status").textContent = t("transcribe.named", { name: person.name });
}

/** @param {string} form */
function save(form) {
  const target = FORMS[form];
  if (!target) return;
  const url = URL.createObjectURL(
    new Blob([target.write(form === "json" ? lines : nameSpeakers(lines))], {
      type: target.type,
    }),
  );
  const link = document.createElement("a");
  link.href = url;
  link.download = `${title.replace(/\.[^.]*$/, "")}.${form}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** @param {DragEvent} event */
function allowDrop(event) {
  event.preventDefault();
  byId("drop").dataset.over = String(event.type === "dragover");
}

byId("file").addEventListener("change", (event) => take(takeFile(event)));
byId("drop").addEventListener("dragover", allowDrop);
byId("drop").addEventListener("dragleave", allowDrop);
byId("drop").addEventListener("drop", (event) => {
  allowDrop(event);
  take(event.dataTransfer?.files[0] ?? null);
});
byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
buttonById("stop").addEventListener("click", () => running?.abort());
listenAll("#exports button", "click", ({ target }) => {
  if (target instanceof HTMLElement) save(target.dataset.form ?? "");
});
