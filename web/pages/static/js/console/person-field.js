// A field for one person of the gallery, with those who fit what is typed.
import { debounce } from "../shared/debounce.js";
import { byId, inputById } from "../shared/dom.js";
import { listPeople } from "../shared/people-search.js";

const SEARCH_AFTER_MS = 200;
const MOST_PEOPLE = 20;
const MOST_ALIKE = 1000;

export class PersonField {
  #input;
  #options;

  /**
   * @param {string} id of the input
   * @param {string} optionsId of its datalist
   */
  constructor(id, optionsId) {
    this.#input = inputById(id);
    this.#options = byId(optionsId);
    const suggest = debounce(() => this.#suggest(), SEARCH_AFTER_MS);
    this.#input.addEventListener("input", suggest);
    this.#input.addEventListener("focus", suggest);
  }

  /** What is typed. */
  get text() {
    return this.#input.value.trim();
  }

  /** @param {string} text */
  fill(text) {
    this.#input.value = text;
  }

  /**
   * Find the one person of the typed id or name; null if it is not exactly one.
   * @returns {Promise<Api.PersonRef | null>}
   */
  async find() {
    const people = await this.findAll();
    const byPersonId = people.find(({ person_id }) => person_id === this.text);
    if (byPersonId) return byPersonId;
    return people.length === 1 ? (people[0] ?? null) : null;
  }

  /**
   * Find everybody whose id or name is typed, in any case.
   * @returns {Promise<Api.PersonRef[]>}
   */
  async findAll() {
    const { text } = this;
    if (!text) return [];
    const { people } = await listPeople({ search: text, limit: MOST_ALIKE });
    return people.filter(({ person_id, name }) =>
      [person_id, name].map(foldCase).includes(foldCase(text)),
    );
  }

  /** Offer the people who fit. Without an answer nobody is offered. */
  async #suggest() {
    const query = { search: this.text, limit: MOST_PEOPLE };
    const { people } = await listPeople(query).catch(() => ({ people: [] }));
    const options = people.map(({ name, person_id }) => new Option(name, person_id));
    this.#options.replaceChildren(...options);
  }
}

/** @param {string} text */
const foldCase = (text) => text.normalize("NFKC").toLowerCase();
