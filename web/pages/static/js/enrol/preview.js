// The preview: how many are enrolled, what is refused and why, person by person.
import { showTable } from "../console/table.js";
import { buttonById, byId, create, inputById } from "../shared/dom.js";
import { describeCode } from "../shared/errors.js";
import { t } from "../shared/texts.js";

/** @type {import("../console/table.js").Column<Api.PlannedPerson>[]} */
const COLUMNS = [
  { label: t("many.row"), show: ({ row }) => (row === null ? "–" : String(row)) },
  { label: t("many.person"), show: describePerson, isWritten: true },
  {
    label: t("many.clips"),
    show: ({ files }) => files.map(({ name }) => name).join(", ") || "–",
    isWritten: true,
  },
  { label: t("many.result"), show: createResult, isWritten: true },
];

/** @param {Api.PlannedPerson} person */
function describePerson({ name, person_id }) {
  if (!person_id || name === person_id) return name || "–";
  return `${name} (${person_id})`;
}

/** @param {Api.PlannedPerson} person */
function createResult(person) {
  const place = create("div", {});
  if (person.is_enrolled)
    place.append(create("span", { textContent: describeFate(person) }));
  const errors = person.error ? [person.error] : [];
  for (const text of errors.map(describeError)) place.append(createWarning(text));
  const refused = person.error ? [] : person.files.filter(({ error }) => error);
  for (const { name, error } of refused) {
    if (error) place.append(createWarning(`${name}: ${describeError(error)}`));
  }
  return place;
}

/** @param {Api.PlannedPerson} person */
function describeFate({ exists }) {
  if (!exists) return t("many.will");
  return t(`many.will_${byId("existing", HTMLSelectElement).value}`);
}

/** @param {string} textContent */
const createWarning = (textContent) =>
  create("p", { className: "warned", textContent });

/** @param {{ code: string, message: string, hint: string }} error */
const describeError = ({ code, message, hint }) => describeCode(code, [message, hint]);

/**
 * Show a plan, and the people of it that were loaded.
 * @param {Api.EnrolmentPlan} plan
 * @param {Api.PlannedPerson[]} people
 */
export function showPlan(plan, people) {
  byId("preview").hidden = false;
  byId("summary").textContent = summarise(plan);
  showReasons(plan.refused);
  showTable(byId("records"), COLUMNS, people, t("many.no_one"));
  buttonById("more").hidden = people.length >= plan.total;
  byId("begin").textContent = t("many.begin", { n: plan.enrolled_people });
}

/** @param {Api.EnrolmentPlan} plan */
function summarise({
  people,
  enrolled_people,
  files,
  unused,
  encoding,
  refused_people,
}) {
  const facts = { people: enrolled_people, of: people, files, refused: refused_people };
  const sentences = [t("many.summary", facts)];
  if (unused) sentences.push(t("many.summary_unused", { n: unused }));
  if (encoding) sentences.push(t("many.summary_encoding", { encoding }));
  return sentences.join(" ");
}

/** @param {Record<string, number>} refused */
function showReasons(refused) {
  const items = Object.entries(refused).map(([code, n]) => {
    const textContent = t("many.reason", { n, why: describeCode(code, []) });
    return create("li", { textContent });
  });
  byId("reasons").hidden = !items.length;
  byId("reasons").replaceChildren(...items);
}

/** Whether only people are listed of whom something is refused. */
export const wantsRefused = () => inputById("only-refused").checked;
