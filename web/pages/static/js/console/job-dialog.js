// The files of one job: what became of each, and why some failed.
import { buttonById, byId, inputById } from "../shared/dom.js";
import { describeCode } from "../shared/errors.js";
import { showError } from "../shared/notice.js";
import { t } from "../shared/texts.js";
import { readJob } from "./service.js";
import { showTable } from "./table.js";

const PAGE = 50;

/** @type {import("./table.js").Column<Api.JobItem>[]} */
const COLUMNS = [
  { label: t("jobs.file"), show: (item) => item.name || "–", isWritten: true },
  { label: t("jobs.person"), show: (item) => item.person_id ?? "–", isWritten: true },
  { label: t("list.state"), show: (item) => t(`jobs.${item.state}`) },
  { label: t("jobs.said"), show: describeResult, isWritten: true },
];

export class JobDialog {
  #dialog = byId("job-dialog", HTMLDialogElement);
  #jobId = "";

  /** @type {Api.JobItem[]} */
  #items = [];

  constructor() {
    inputById("only-failed").addEventListener("change", () => this.#load());
    buttonById("more").addEventListener("click", () => this.#loadMore());
    buttonById("job-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {Api.Job} job */
  open({ job_id, counts }) {
    this.#jobId = job_id;
    inputById("only-failed").checked = Boolean(counts.failed);
    this.#dialog.showModal();
    return this.#load();
  }

  #load() {
    this.#items = [];
    return this.#loadMore();
  }

  async #loadMore() {
    /** @type {Record<string, string | number>} */
    const part = { offset: this.#items.length, limit: PAGE };
    if (inputById("only-failed").checked) part.state = "failed";
    try {
      const { items } = await readJob(this.#jobId, part);
      this.#items.push(...items);
      byId("job-problem").hidden = true;
      buttonById("more").hidden = items.length < PAGE;
      showTable(byId("items"), COLUMNS, this.#items);
    } catch (error) {
      showError("job-problem", error);
    }
  }
}

/** @param {Api.JobItem} item */
function describeResult({ error, result }) {
  if (error) return describeCode(error.code, [error.message, error.hint]);
  return result?.fused?.match?.name ?? result?.fused?.outcome ?? "–";
}
