// Entry of /console/visits: recent visitors, and what was wrong about an answer.
import { Panel } from "./console/panel.js";
import { PersonField } from "./console/person-field.js";
import { createActions, createButton, showTable } from "./console/table.js";
import { listVisits, takeBackCorrection } from "./console/visitors.js";
import { WrongDialog } from "./console/wrong-dialog.js";
import { buttonById, byId, create, find, inputById } from "./shared/dom.js";
import { formatMoment } from "./shared/format.js";
import { showError } from "./shared/notice.js";
import { describeSureness, formatPercent } from "./shared/probability.js";
import { hasText, t } from "./shared/texts.js";

const PAGE = 50;
const NONE = "–";

/** @type {import("./console/table.js").Column<Api.Visit>[]} */
const COLUMNS = [
  { label: t("list.when"), show: (visit) => formatMoment(visit.at, NONE) },
  { label: t("visits.who"), show: createWho, isWritten: true },
  { label: t("visits.sure"), show: describeProbability },
  { label: t("visits.by"), show: (visit) => (visit.by ? t(`by.${visit.by}`) : NONE) },
  { label: t("visits.where"), show: createWhere, isWritten: true },
  { label: t("visits.outcome"), show: createAnswer, isWritten: true },
  { label: t("list.act"), show: createAct },
];

const person = new PersonField("person", "person-options");
const outcome = find(document, "#outcome", HTMLSelectElement);
const dialog = new WrongDialog(() => searchAgain());

/** @type {Api.Visit[]} */
let visits = [];

/** @type {number | null} */
let before = null;

const panel = new Panel(
  async () => listVisits(await readFilter()),
  (answer) => {
    visits = before ? [...visits, ...answer.visits] : answer.visits;
    before = answer.next_before;
    buttonById("more").hidden = before === null;
    byId("off").hidden = answer.days > 0;
    showTable(byId("records"), COLUMNS, visits);
  },
);

/** The filter as a query. Fields that are empty are left out. */
async function readFilter() {
  const chosen = await person.find();
  const fields = {
    // What fits nobody, or several people, is asked for as it is
    person_id: chosen?.person_id ?? person.text,
    outcome: outcome.value,
    before: before === null ? "" : String(before),
    ...readDay(inputById("day").value),
  };
  const given = Object.entries(fields).filter(([, value]) => value);
  return { limit: PAGE, ...Object.fromEntries(given) };
}

/**
 * Read a day of this time zone as its first moment and that of the next day.
 * @param {string} day such as 2026-01-31, or an empty text
 */
function readDay(day) {
  if (!day) return {};
  const since = new Date(`${day}T00:00`);
  const until = new Date(since);
  until.setDate(until.getDate() + 1);
  return { since: since.toISOString(), until: until.toISOString() };
}

/** @param {Api.Visit} visit */
function createWho({ name, person_id, outcome: found }) {
  if (!name) return t("visits.nobody");
  const note = found === "unknown" ? ` (${t("visits.later")})` : "";
  const id = create("span", { className: "soft", textContent: ` ${person_id}` });
  return create("span", {}, `${name}${note}`, id);
}

/** @param {Api.Visit} visit */
function describeProbability({ probability }) {
  if (probability === null) return NONE;
  return `${describeSureness(probability)} (${formatPercent(probability)})`;
}

/** @param {Api.Visit} visit */
function createWhere({ source, label, actor }) {
  const key = `source.${source}`;
  const asker = create("span", {
    className: "soft",
    textContent: ` ${label ?? actor}`,
  });
  return create("span", {}, hasText(key) ? t(key) : source, asker);
}

/** @param {Api.Visit} visit */
function createAnswer({ outcome: found, correction }) {
  if (!correction) return t(`outcome.${found}`);
  const textContent = correction.name
    ? t("visits.wrong_was", { name: correction.name })
    : t("visits.wrong_nobody");
  return create("span", { className: "warned", textContent });
}

/** @param {Api.Visit} visit */
function createAct(visit) {
  if (visit.correction) {
    return createActions(
      createButton(t("visits.take_back"), () =>
        panelAct(() => takeBackCorrection(visit)),
      ),
    );
  }
  const text = visit.name ? t("visits.wrong") : t("visits.known");
  return createActions(createButton(text, () => dialog.open(visit)));
}

/** @param {() => Promise<unknown>} action */
async function panelAct(action) {
  try {
    await action();
  } catch (error) {
    showError("problem", error);
    return;
  }
  searchAgain();
}

function searchAgain() {
  before = null;
  panel.refresh();
}

byId("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  searchAgain();
});
byId("filter").addEventListener("reset", () => setTimeout(searchAgain));
buttonById("more").addEventListener("click", () => panel.refresh());
document.addEventListener("key-changed", () => (before = null));
person.fill(new URLSearchParams(location.search).get("person") ?? "");
searchAgain();
