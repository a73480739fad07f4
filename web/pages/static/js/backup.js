// Entry of /console/backup: the backups that are there, and one right now.
import { Panel } from "./console/panel.js";
import { beginBackup, listBackups } from "./console/service.js";
import { showTable } from "./console/table.js";
import { buttonById, byId } from "./shared/dom.js";
import { describeCode } from "./shared/errors.js";
import { formatMoment, formatNumber } from "./shared/format.js";
import { t } from "./shared/texts.js";

const LOOK_AGAIN_MS = 1000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @type {string | undefined} */
let newest;

/** @type {import("./console/table.js").Column<Api.Backup>[]} */
const COLUMNS = [
  { label: t("list.when"), show: (backup) => formatMoment(backup.made_at, "–") },
  { label: t("backup.name"), show: (backup) => backup.name },
  { label: t("backup.people"), show: (backup) => String(backup.people) },
  { label: t("backup.templates"), show: (backup) => String(backup.templates) },
  { label: t("backup.size"), show: describeSize },
  {
    label: t("backup.encrypted"),
    show: (backup) => t(backup.is_encrypted ? "backup.yes" : "backup.no"),
  },
];

const panel = new Panel(listBackups, (answer) => {
  byId("state").textContent = describeState(answer);
  buttonById("now").disabled = !answer.is_on || answer.is_running;
  showTable(byId("records"), COLUMNS, answer.backups, t("backup.never"));
  noteNewest(answer.backups[0]?.name ?? "");
  clearTimeout(timer);
  if (answer.is_running) timer = setTimeout(() => panel.refresh(), LOOK_AGAIN_MS);
});

/**
 * Have the header ask anew once a backup was made: it may say that there is none.
 * @param {string} name
 */
function noteNewest(name) {
  const isMade = newest !== undefined && name !== newest;
  newest = name;
  if (isMade) document.dispatchEvent(new CustomEvent("health-changed"));
}

/** @param {Api.Backup} backup */
function describeSize({ bytes }) {
  return t("backup.megabytes", { n: formatNumber(bytes / 1e6) });
}

/** @param {Api.Backups} answer */
function describeState({ is_on, is_running, failed, keep, backups: [last] }) {
  if (!is_on) return t("backup.off");
  if (is_running) return t("backup.running");
  if (failed) return t("backup.failed", { why: describeCode(failed, [failed]) });
  const kept = t("backup.keep", { n: keep });
  if (!last) return kept;
  return `${t("backup.last", { at: formatMoment(last.made_at, "–") })} ${kept}`;
}

buttonById("now").addEventListener("click", () => panel.act(beginBackup));
panel.refresh();
