// Search of the people in the gallery. Throws ApiError.
import { sendJson } from "./http.js";

/**
 * Encode the parameters of a URL.
 * @param {Record<string, string | number>} parameters
 */
export function queryOf(parameters) {
  const entries = Object.entries(parameters);
  return entries
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");
}

/**
 * Which people are listed, and in which order.
 * @typedef {object} PeopleQuery
 * @property {string} search part of the name or id
 * @property {number} limit
 * @property {number} [offset]
 * @property {string} [kind]
 * @property {string} [sort]
 * @property {boolean} [descending]
 */

/**
 * List a part of the people.
 * @param {PeopleQuery} query
 * @returns {Promise<Api.People>}
 */
export const listPeople = ({ offset = 0, ...query }) => {
  const parameters = Object.entries({ offset, ...query });
  const texts = parameters.map(([name, value]) => [name, String(value)]);
  return sendJson("GET", `/v1/people?${queryOf(Object.fromEntries(texts))}`);
};
