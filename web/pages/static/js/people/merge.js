// Who a person can be merged with.
import { byId, inputById } from "../shared/dom.js";
import { listPeople } from "../shared/people-search.js";

const MOST_PEOPLE = 20;

const getText = () => inputById("merge-with").value.trim();

/**
 * List the people who fit what was typed, other than this one.
 * @param {Api.PersonRef} person
 */
async function listOthers({ person_id }) {
  const { people } = await listPeople({ search: getText(), limit: MOST_PEOPLE });
  return people.filter((other) => other.person_id !== person_id);
}

/**
 * Find the one other person of the typed id or name; null if it is not exactly one.
 * @param {Api.PersonRef} person
 */
export async function findOther(person) {
  const text = getText();
  const others = await listOthers(person);
  const fits = others.filter(({ person_id, name }) => [person_id, name].includes(text));
  return fits.length === 1 ? (fits[0] ?? null) : null;
}

/**
 * Offer the people who fit what was typed. Without an answer nobody is offered.
 * @param {Api.PersonRef} person
 */
export async function suggestOthers(person) {
  const others = await listOthers(person).catch(() => []);
  const options = others.map(({ name, person_id }) => new Option(name, person_id));
  byId("merge-options").replaceChildren(...options);
}
