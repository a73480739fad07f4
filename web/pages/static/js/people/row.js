// A row in the list of people.
import { createAvatar } from "../shared/avatar.js";
import { create } from "../shared/dom.js";
import { formatMoment } from "../shared/format.js";
import { t } from "../shared/texts.js";
import { formatShare } from "./format.js";

/** @type {Api.TemplateModality[]} */
const MODALITIES = ["face", "voice"];

/**
 * Create the row of a person.
 * @param {Api.Person} person
 * @param {(person: Api.Person) => void} onOpen
 * @param {HTMLInputElement} box chooses the person
 */
export function createRow(person, onOpen, box) {
  const row = create(
    "tr",
    {},
    create("td", {}, box, createAvatar(person)),
    createName(person),
    createCounts(person),
    createOptional(describeQuality(person)),
    createOptional(formatMoment(person.last_seen_at, t("people.never"))),
    create("td", {}, createOpenButton(person, onOpen)),
  );
  row.dataset.person = person.person_id;
  return row;
}

/** @param {Api.Person} person */
function createName({ name, person_id }) {
  const id = create("span", { className: "id", textContent: person_id });
  return create("th", { scope: "row", className: "who" }, name, id);
}

/** @param {Api.Person} person */
function createCounts({ templates }) {
  const counts = MODALITIES.map((modality) => {
    const facts = { kind: t(`by.${modality}`), n: templates[modality] };
    return create("span", { textContent: t("people.templates_of", facts) });
  });
  return create("td", { className: "counts" }, ...counts);
}

/** @param {string} textContent */
const createOptional = (textContent) =>
  create("td", { className: "optional", textContent });

/**
 * Format the mean quality of a person's templates, by modality.
 * @param {Api.Person} person
 */
export function describeQuality({ quality }) {
  const shares = MODALITIES.map((modality) => quality[modality])
    .filter((value) => value !== null)
    .map(formatShare);
  return shares.join(" · ") || "–";
}

/**
 * @param {Api.Person} person
 * @param {(person: Api.Person) => void} onOpen
 */
function createOpenButton(person, onOpen) {
  const button = create("button", {
    type: "button",
    className: "small",
    textContent: t("people.open"),
  });
  button.setAttribute("aria-label", t("people.open_who", { name: person.name }));
  button.addEventListener("click", () => onOpen(person));
  return button;
}
