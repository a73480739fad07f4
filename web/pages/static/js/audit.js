// Entry of /console/audit: rows of the audit by filter, and the check of its chain.
import { Panel } from "./console/panel.js";
import { readAudit, verifyAudit } from "./console/service.js";
import { showTable } from "./console/table.js";
import { buttonById, byId, create, inputById } from "./shared/dom.js";
import { formatMoment } from "./shared/format.js";
import { showError } from "./shared/notice.js";
import { t } from "./shared/texts.js";

const PAGE = 50;

/** @type {import("./console/table.js").Column<Api.Event>[]} */
const COLUMNS = [
  { label: t("audit.number"), show: (event) => String(event.event_id) },
  { label: t("list.when"), show: createMoment },
  { label: t("audit.actor"), show: (event) => event.actor },
  { label: t("audit.action"), show: (event) => event.action },
  { label: t("audit.outcome"), show: (event) => event.outcome },
  { label: t("audit.person"), show: (event) => String(event.person_key ?? "–") },
  { label: t("audit.detail"), show: describeDetail },
];

/** @type {Api.Event[]} */
let events = [];

/** @type {number | null} */
let before = null;

const panel = new Panel(
  () => readAudit(readFilter()),
  (answer) => {
    events = before ? [...events, ...answer.events] : answer.events;
    before = answer.next_before;
    buttonById("more").hidden = before === null;
    showTable(byId("records"), COLUMNS, events);
  },
);

/** The filter as a query. Fields that are empty are left out. */
function readFilter() {
  const fields = {
    action: byId("action", HTMLSelectElement).value,
    outcome: valueOf("outcome"),
    actor: valueOf("actor"),
    person_id: valueOf("person"),
    since: momentOf("since"),
    until: momentOf("until"),
    before: before === null ? "" : String(before),
  };
  const given = Object.entries(fields).filter(([, value]) => value);
  return { limit: PAGE, ...Object.fromEntries(given) };
}

/** @param {string} id */
const valueOf = (id) => inputById(id).value.trim();

/** @param {string} id */
function momentOf(id) {
  const local = valueOf(id);
  return local && new Date(local).toISOString();
}

/** @param {Api.Event} event */
function createMoment({ at }) {
  return create("span", { className: "moment" }, formatMoment(at, "–"));
}

/** @param {Api.Event} event */
function describeDetail({ detail }) {
  const facts = Object.entries(detail).map(([name, value]) => `${name}: ${value}`);
  return facts.join(", ") || "–";
}

function searchAgain() {
  before = null;
  panel.refresh();
}

async function verify() {
  try {
    showVerified(await verifyAudit(valueOf("noted")));
  } catch (error) {
    byId("verified").textContent = "";
    showError("problem", error);
  }
}

/** @param {Api.AuditVerified} report */
function showVerified({ whole, events: n, head, problems }) {
  const texts = problems.map(({ text }) => text).join("; ");
  byId("problem").hidden = true;
  byId("verified").className = whole ? "" : "warned";
  byId("verified").textContent = whole
    ? t("audit.whole", { n, head })
    : t("audit.broken", { n, problems: texts });
}

/**
 * @param {string} id
 * @param {() => unknown} action
 */
function onSubmit(id, action) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

onSubmit("filter", searchAgain);
onSubmit("verify", verify);
byId("filter").addEventListener("reset", () => setTimeout(searchAgain));
buttonById("more").addEventListener("click", () => panel.refresh());
document.addEventListener("key-changed", searchAgain);
searchAgain();
