// Routes of the service that several pages use. Each throws ApiError.
import { sendJson, uploadForm } from "./http.js";

/** @import { OnProgress } from "./http.js" */

/**
 * A clip. `challenge` is the id of the digits that it says. To enrol, `force` enrols it
 * even if it matches somebody else, and `turns` takes only the voice, of these times in
 * seconds.
 * @typedef {object} ClipFields
 * @property {Blob} media
 * @property {string | undefined} [challenge]
 * @property {boolean} [force]
 * @property {[number, number][]} [turns]
 */

/**
 * Get the URL of a person.
 * @param {Api.PersonRef} person
 */
export const personUrl = (person) =>
  `/v1/people/${encodeURIComponent(person.person_id)}`;

/**
 * Ask for the state of the service.
 * @returns {Promise<Api.Health>}
 */
export const getHealth = () => sendJson("GET", "/v1/health");

/**
 * Ask for digits that a clip must say.
 * @param {string} language
 * @returns {Promise<Api.Challenge>}
 */
export const askDigits = (language) => sendJson("POST", "/v1/challenges", { language });

/**
 * Ask who is in a clip.
 * @param {{ media: Blob, challenge?: string }} fields
 * @param {OnProgress} onProgress
 * @returns {Promise<Api.Identification>}
 */
export const identify = (fields, onProgress) =>
  uploadForm("/v1/identify", fields, onProgress);

/**
 * Say that an answer named the wrong person.
 * @param {string} requestId
 * @param {Api.PersonRef} person
 * @returns {Promise<unknown>}
 */
export function rejectMatch(requestId, person) {
  const url = `/v1/identifications/${encodeURIComponent(requestId)}/feedback`;
  return sendJson("POST", url, { person_id: person.person_id, same: false });
}

/**
 * Delete a person and everything stored about them.
 * @param {Api.PersonRef} person
 * @returns {Promise<null>}
 */
export const deletePerson = (person) => sendJson("DELETE", personUrl(person));

/**
 * Add a clip to a person.
 * @param {Api.PersonRef} person
 * @param {ClipFields} fields
 * @param {OnProgress} [onProgress]
 * @returns {Promise<Api.Enrolment>}
 */
export function addClip(person, { turns, ...fields }, onProgress) {
  const url = `${personUrl(person)}/templates`;
  const spans = turns && { turns: JSON.stringify(turns) };
  return uploadForm(url, { ...fields, ...spans }, onProgress);
}

/**
 * Create a person and enrol a clip. A refused clip leaves no empty person behind.
 * @param {Api.NewPerson} facts
 * @param {ClipFields} fields
 * @param {OnProgress} [onProgress]
 */
export async function enrolPerson(facts, fields, onProgress) {
  /** @type {Api.Person} */
  const person = await sendJson("POST", "/v1/people", facts);
  try {
    return await addClip(person, fields, onProgress);
  } catch (error) {
    await deletePerson(person).catch(() => {}); // the first error is the one to report
    throw error;
  }
}
