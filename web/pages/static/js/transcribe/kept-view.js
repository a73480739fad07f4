// Transcripts that the service keeps: listed, opened, deleted.
import { confirmAction } from "../shared/confirm.js";
import { byId, create } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { formatMoment } from "../shared/format.js";
import { showError } from "../shared/notice.js";
import { t } from "../shared/texts.js";
import { deleteTranscript, listTranscripts, readTranscript } from "./service.js";

const MOST = 50;

/** Status of a key that may not see transcripts. */
const MAY_NOT = new Set([401, 403]);

export class KeptView {
  /** @param {(transcript: Api.KeptTranscript) => void} onOpen */
  constructor(onOpen) {
    this.onOpen = onOpen;
    document.addEventListener("key-changed", () => this.load());
    this.load();
  }

  /** Show what is kept. Nothing is shown to those who may not see it. */
  async load() {
    byId("kept-problem").hidden = true;
    try {
      this.#show(await listTranscripts(MOST));
    } catch (error) {
      byId("kept").hidden = MAY_NOT.has(asApiError(error).status);
      if (!byId("kept").hidden) showError("kept-problem", error);
    }
  }

  /** @param {Api.KeptTranscripts} answer */
  #show({ transcripts, total }) {
    byId("kept").hidden = !total;
    byId("kept-count").textContent = t("transcribe.kept_count", { n: total });
    byId("kept-list").replaceChildren(
      ...transcripts.map((one) => this.#createRow(one)),
    );
  }

  /** @param {Api.KeptSummary} summary */
  #createRow(summary) {
    const open = create("button", {
      type: "button",
      className: "quiet",
      textContent: summary.title || t("transcribe.kept_untitled"),
    });
    open.addEventListener("click", () => this.#open(summary));
    const remove = create("button", {
      type: "button",
      className: "small danger",
      textContent: t("transcribe.kept_delete"),
    });
    remove.addEventListener("click", () => this.#delete(summary));
    const about = create("span", { className: "soft", textContent: describe(summary) });
    return create("li", { className: "kept" }, open, about, remove);
  }

  /** @param {Api.KeptSummary} summary */
  #open(summary) {
    return this.#try(async () => this.onOpen(await readTranscript(summary)));
  }

  /** @param {Api.KeptSummary} summary */
  async #delete(summary) {
    const title = summary.title || t("transcribe.kept_untitled");
    const question = t("transcribe.kept_sure", { title });
    if (!(await confirmAction(question, t("transcribe.kept_delete")))) return;
    await this.#try(async () => {
      await deleteTranscript(summary);
      await this.load();
    });
  }

  /** @param {() => Promise<void>} work */
  async #try(work) {
    try {
      await work();
    } catch (error) {
      showError("kept-problem", error);
    }
  }
}

/** @param {Api.KeptSummary} summary */
const describe = ({ created_at, duration }) =>
  `${formatMoment(created_at, "")} · ${t("transcribe.kept_length", { n: Math.round(duration) })}`;
