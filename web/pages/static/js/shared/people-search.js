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
 * List people whose name or id contains `search`.
 * @param {{ search: string, limit: number, offset?: number }} query
 * @returns {Promise<Api.People>}
 */
export const listPeople = ({ search, limit, offset = 0 }) =>
  sendJson("GET", `/v1/people?${queryOf({ limit, offset, search })}`);
