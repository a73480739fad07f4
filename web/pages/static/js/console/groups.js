// Routes of groups and events that the pages of the console use. Each throws ApiError.
import { fetchWithKey, sendJson } from "../shared/http.js";
import { queryOf } from "../shared/people-search.js";

/** @returns {Promise<{ groups: Api.Group[] }>} */
export const listGroups = () => sendJson("GET", "/v1/groups");

/** @param {string} groupId */
const groupUrl = (groupId) => `/v1/groups/${encodeURIComponent(groupId)}`;

/**
 * Make a group without anybody in it.
 * @param {object} facts
 * @returns {Promise<Api.Group>}
 */
export const createGroup = (facts) => sendJson("POST", "/v1/groups", facts);

/**
 * Read a group with the ids of the people in it.
 * @param {string} groupId
 * @returns {Promise<Api.GroupOfPeople>}
 */
export const readGroup = (groupId) => sendJson("GET", groupUrl(groupId));

/**
 * Delete a group, and nobody in it.
 * @param {string} groupId
 * @returns {Promise<null>}
 */
export const deleteGroup = (groupId) => sendJson("DELETE", groupUrl(groupId));

/**
 * Put a person into a group.
 * @param {string} groupId
 * @param {string} personId
 * @returns {Promise<Api.Group>}
 */
export const addMember = (groupId, personId) =>
  sendJson("POST", `${groupUrl(groupId)}/members`, { person_id: personId });

/**
 * Take a person out of a group.
 * @param {string} groupId
 * @param {string} personId
 * @returns {Promise<null>}
 */
export const removeMember = (groupId, personId) =>
  sendJson("DELETE", `${groupUrl(groupId)}/members/${encodeURIComponent(personId)}`);

/** @returns {Promise<{ deliveries: Api.Delivery[] }>} */
export const listDeliveries = () => sendJson("GET", "/v1/deliveries");

/** @returns {Promise<{ resent: number }>} */
export const resendDeliveries = () => sendJson("POST", "/v1/deliveries/resend", {});

/**
 * Read the stream of events until it ends. An EventSource sends no key.
 * @param {{ after: number } | { recent: number }} from begin behind an event, or with the
 *   latest ones
 * @param {(event: Api.Sighting) => void} onEvent
 * @param {AbortSignal} signal ends it
 */
export async function followEvents(from, onEvent, signal) {
  const answer = await fetchWithKey(`/v1/events?${queryOf(from)}`, { signal });
  if (!answer.ok || !answer.body) return answer.ok;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (data) onEvent(JSON.parse(data));
    }
  }
}
