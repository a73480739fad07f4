// Entry of /console/jobs: the latest jobs, their progress, and the files of one.
import { JobDialog } from "./console/job-dialog.js";
import { Panel } from "./console/panel.js";
import { cancelJob, listJobs } from "./console/service.js";
import { saveReport } from "./enrol/service.js";
import { createActions, createButton, showTable } from "./console/table.js";
import { confirmAction } from "./shared/confirm.js";
import { byId, create } from "./shared/dom.js";
import { formatMoment } from "./shared/format.js";
import { at } from "./shared/root.js";
import { t } from "./shared/texts.js";

const LOOK_AGAIN_MS = 2000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

const dialog = new JobDialog();
const panel = new Panel(listJobs, ({ jobs }) => {
  showTable(byId("records"), COLUMNS, jobs);
  clearTimeout(timer);
  if (jobs.some(isOpen)) timer = setTimeout(() => panel.refresh(), LOOK_AGAIN_MS);
});

/** @type {import("./console/table.js").Column<Api.Job>[]} */
const COLUMNS = [
  { label: t("list.made"), show: (job) => formatMoment(job.created_at, "–") },
  { label: t("jobs.action"), show: (job) => t(`jobs.${job.action}`) },
  { label: t("list.state"), show: (job) => t(`jobs.${job.state}`) },
  { label: t("jobs.progress"), show: createProgress },
  { label: t("list.act"), show: createButtons },
];

/** @param {Api.Job} job */
const isOpen = ({ state }) => state === "waiting" || state === "running";

/** @param {Api.Job} job */
function createProgress({ finished, files, counts }) {
  const text = t("jobs.count", { finished, files });
  const bar = create("progress", { max: files, value: finished });
  bar.setAttribute("aria-label", text);
  const place = create("div", {}, text, bar);
  if (counts.failed) {
    const textContent = t("jobs.failed_count", { n: counts.failed });
    place.append(create("span", { className: "warned", textContent }));
  }
  return place;
}

/** @param {Api.Job} job */
function createButtons(job) {
  const end = isOpen(job) ? "cancel" : "remove";
  return createActions(
    createButton(t("jobs.open"), () => dialog.open(job)),
    ...createEnrolmentButtons(job),
    createButton(t(`jobs.${end}`), () => endJob(job, end), "danger"),
  );
}

/** @param {Api.Job} job */
function createEnrolmentButtons({ action, job_id, counts }) {
  if (action !== "enroll") return [];
  const buttons = [
    createButton(t("jobs.report"), () => panel.act(() => saveReport(job_id))),
  ];
  if (counts.awaited) {
    const go = () => location.assign(at(`/console/enrol#job=${job_id}`));
    buttons.push(createButton(t("jobs.send_missing"), go));
  }
  return buttons;
}

/**
 * @param {Api.Job} job
 * @param {string} end
 */
async function endJob(job, end) {
  if (!(await confirmAction(t(`jobs.${end}_sure`), t(`jobs.${end}`)))) return;
  await panel.act(() => cancelJob(job.job_id));
}

panel.refresh();
