// Entry of /console/enrol: choose clips, see what would happen, confirm, send.
import { readJob } from "./console/service.js";
import { fromDrop, fromInput, partTables, readParts } from "./enrol/collect.js";
import { showPlan, wantsRefused } from "./enrol/preview.js";
import { findMissing, Sender } from "./enrol/sender.js";
import { createEnrolment, previewEnrolment, saveReport } from "./enrol/service.js";
import { debounce } from "./shared/debounce.js";
import { buttonById, byId, inputById } from "./shared/dom.js";
import { LatestTurn } from "./shared/latest-turn.js";
import { showError } from "./shared/notice.js";
import { t } from "./shared/texts.js";

/** @import { Chosen } from "./enrol/collect.js" */

const PAGE = 50;
const LOOK_AGAIN_MS = 2000;
const ASK_AFTER_MS = 400;
const isOpen = (/** @type {Api.Job} */ { state }) =>
  state === "waiting" || state === "running";

/** @type {Chosen[]} */
let clips = [];
/** @type {File | null} */
let table = null;
/** @type {Blob | null} */
let listing = null;
/** @type {Api.PlannedPerson[]} */
let people = [];
let enrolled = 0;
let isSending = false;
let lookAgain = 0;

/** Id of the job whose files are sent. The address keeps it, so that a reload goes on. */
let jobId = new URLSearchParams(location.hash.slice(1)).get("job") ?? "";

const turns = new LatestTurn();
const sender = new Sender((sent, files) => {
  byId("sent").textContent = t("many.sent", { n: sent, files });
  const bar = byId("bar", HTMLProgressElement);
  bar.max = Math.max(files, 1);
  bar.value = sent;
});

/** @param {() => Promise<unknown>} action */
async function attempt(action) {
  byId("problem").hidden = true;
  try {
    await action();
  } catch (error) {
    showError("problem", error);
    byId("problem").scrollIntoView({ block: "nearest" });
  }
}

/** @param {Chosen[]} chosen */
async function take(chosen) {
  const parts = partTables(chosen);
  if (!chosen.length || parts.tables.length > 1) {
    byId("chosen").textContent = t(chosen.length ? "many.many_tables" : "many.none");
    return;
  }
  const before = byId("chosen").textContent;
  byId("chosen").textContent = t("many.reading", { n: parts.clips.length });
  try {
    // All three at once: they are of one choice, also where a file cannot be read
    ({ table, listing, clips } = await readParts(parts));
  } catch (error) {
    byId("chosen").textContent = before;
    throw error;
  }
  const facts = { n: clips.length, table: table?.name ?? "" };
  byId("chosen").textContent = t(table ? "many.chosen_table" : "many.chosen", facts);
  byId("encoding-field").hidden = !table;
  if (await isWaiting()) await sendMissing();
  else await preview();
}

/** Whether the job of this page waits for files. One that does not is left behind. */
async function isWaiting() {
  if (!jobId) return false;
  const { counts } = await readJob(jobId, { limit: 1 });
  if (counts.awaited) return true;
  jobId = "";
  history.replaceState(null, "", location.pathname);
  byId("sending").hidden = true;
  return false;
}

function readForm() {
  return {
    listing,
    table,
    existing: byId("existing", HTMLSelectElement).value,
    encoding: byId("encoding", HTMLSelectElement).value,
    consent: inputById("consent").value.trim(),
    retention_days: inputById("days").value.trim(),
    force: String(inputById("force").checked),
  };
}

/** The table, if one was chosen: the service keeps no names of those who are refused. */
function readTable() {
  const { encoding } = readForm();
  return table && { table, encoding };
}

/** Ask what would happen, from the first person on. */
async function preview() {
  people = [];
  await loadMore();
}

async function loadMore() {
  if (!listing || jobId) return;
  const isLatest = turns.begin();
  const only = wantsRefused() ? "refused" : "all";
  try {
    const part = { only, offset: people.length, limit: PAGE };
    const plan = await previewEnrolment(readForm(), part);
    if (!isLatest()) return;
    people.push(...plan.list);
    enrolled = plan.enrolled_people;
    showPlan(plan, people);
    showBegin();
  } catch (error) {
    if (!isLatest()) return;
    enrolled = 0;
    byId("preview").hidden = true;
    throw error;
  }
}

function showBegin() {
  buttonById("begin").disabled = !(enrolled && inputById("agreed").checked);
}

async function begin() {
  buttonById("begin").disabled = true;
  try {
    const job = await createEnrolment(readForm());
    jobId = job.job_id;
    history.replaceState(null, "", `#job=${jobId}`);
    byId("preview").hidden = true;
    await sendMissing();
  } finally {
    showBegin();
  }
}

async function sendMissing() {
  byId("sending").hidden = false;
  byId("bar").hidden = false;
  const missing = await findMissing(jobId, clips);
  if (!missing.length) {
    byId("sent").textContent = t("many.nothing_missing");
    await follow();
    return;
  }
  showSending(true);
  let isWhole = false;
  try {
    isWhole = await sender.send(jobId, missing);
  } finally {
    showSending(false);
    byId("go-on").hidden = isWhole;
    if (!isWhole) byId("sent").textContent = t("many.stopped");
  }
  if (isWhole) byId("sent").textContent = t("many.sent_all");
  await follow();
}

/** @param {boolean} sending */
function showSending(sending) {
  isSending = sending;
  buttonById("stop").hidden = !sending;
  buttonById("go-on").hidden = true;
  for (const id of ["folder", "files"]) inputById(id).disabled = sending;
}

/** Show what becomes of the files until the job has ended. */
async function follow() {
  clearTimeout(lookAgain);
  if (!jobId) return;
  const job = await readJob(jobId, { limit: 1 });
  const { done = 0, failed = 0 } = job.counts;
  const left = job.files - job.finished;
  byId("outcome").textContent = t("many.outcome", { done, failed, left });
  byId("report").hidden = false;
  if (!isOpen(job)) showEnded(failed);
  clearTimeout(lookAgain);
  if (isOpen(job) && !isSending)
    lookAgain = setTimeout(() => attempt(follow), LOOK_AGAIN_MS);
}

/** Save the report, and say so where the table of this page names nobody in it. */
async function report() {
  const isNamed = await saveReport(jobId, readTable());
  byId("unnamed").hidden = isNamed;
}

/** @param {number} failed */
function showEnded(failed) {
  byId("sent").textContent = t(failed ? "many.ended" : "many.ended_well");
  byId("chosen").textContent = "";
  for (const id of ["bar", "go-on"]) byId(id).hidden = true;
}

for (const id of ["folder", "files"]) {
  const input = inputById(id);
  input.addEventListener("change", () => {
    const chosen = fromInput(input.files ?? new DataTransfer().files);
    input.value = "";
    attempt(() => take(chosen));
  });
}
const drop = byId("drop");
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const items = event.dataTransfer?.items;
  if (items && !isSending) attempt(async () => take(await fromDrop(items)));
});
const rules = byId("rules", HTMLFormElement);
rules.addEventListener("submit", (event) => event.preventDefault());
rules.addEventListener(
  "input",
  debounce(() => attempt(preview), ASK_AFTER_MS),
);
inputById("only-refused").addEventListener("change", () => attempt(preview));
inputById("agreed").addEventListener("change", showBegin);
buttonById("more").addEventListener("click", () => attempt(loadMore));
byId("confirm-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(begin);
});
buttonById("stop").addEventListener("click", () => sender.stop());
buttonById("go-on").addEventListener("click", () => attempt(sendMissing));
buttonById("report").addEventListener("click", () => attempt(report));
window.addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});
if (jobId) {
  byId("chosen").textContent = t("many.resume");
  byId("sending").hidden = false;
  buttonById("stop").hidden = true;
  attempt(follow);
}
