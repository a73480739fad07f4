// Choice of the person of the gallery that a clip is compared with.
import { debounce } from "../shared/debounce.js";
import { byId, inputById } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { listPeople } from "../shared/people-search.js";
import { t } from "../shared/texts.js";

const SEARCH_AFTER_MS = 200;
const MOST_PEOPLE = 20;

export class PersonChoice {
  /** @type {Api.PersonRef | null} */
  person = null;

  #search = inputById("find");
  #status = byId("person-status");

  /** @param {() => void} onChange called whenever the choice may have changed */
  constructor(onChange) {
    this.onChange = onChange;
    const search = debounce(() => this.search(), SEARCH_AFTER_MS);
    this.#search.addEventListener("input", search);
  }

  /** Ask for the people who fit, and choose the one if it is one. */
  async search() {
    const search = this.#search.value.trim();
    try {
      const { people } = await listPeople({ search, limit: MOST_PEOPLE });
      this.#offer(people);
    } catch (error) {
      this.#status.textContent = asApiError(error).message;
    }
  }

  /** @param {Api.PersonRef[]} people */
  #offer(people) {
    const options = people.map(({ name, person_id }) => new Option(name, person_id));
    byId("person-options").replaceChildren(...options);
    const text = this.#search.value.trim();
    this.person = choosePerson(people, text);
    this.#status.textContent = describeChoice(this.person, text, people.length);
    this.onChange();
  }
}

/**
 * Choose the only person of this name or id, or the only one who fits the search.
 * @param {Api.PersonRef[]} people who fit the search
 * @param {string} text
 */
export function choosePerson(people, text) {
  const wanted = text.toLowerCase();
  const exact = people.filter(({ name, person_id }) =>
    [name, person_id].some((value) => value.toLowerCase() === wanted),
  );
  if (exact.length === 1) return exact[0] ?? null;
  return people.length === 1 && text ? (people[0] ?? null) : null;
}

/**
 * @param {Api.PersonRef | null} person
 * @param {string} text
 * @param {number} count
 */
function describeChoice(person, text, count) {
  if (person) return t("verify.chosen", { name: person.name, id: person.person_id });
  return text ? t("verify.fitting", { n: count }) : "";
}
