// Routes of the service that only /people uses. Each throws ApiError.
import { sendJson, uploadForm } from "../shared/http.js";
import { queryOf } from "../shared/people-search.js";
import { personUrl } from "../shared/service.js";

/**
 * Get a person.
 * @param {Api.PersonRef} person
 * @returns {Promise<Api.Person>}
 */
export const getPerson = (person) => sendJson("GET", personUrl(person));

/**
 * Give a person another name.
 * @param {Api.PersonRef} person
 * @param {string} name
 * @returns {Promise<Api.Person>}
 */
export const renamePerson = (person, name) =>
  sendJson("PATCH", personUrl(person), { name });

/**
 * Say for how many days after the enrolment a person is kept; null: for ever.
 * @param {Api.PersonRef} person
 * @param {number | null} days
 * @returns {Promise<Api.Person>}
 */
export const setRetention = (person, days) =>
  sendJson("PATCH", personUrl(person), { retention_days: days });

/**
 * Get everything that is stored on a person.
 * @param {Api.PersonRef} person
 * @returns {Promise<object>}
 */
export const exportPerson = (person) => sendJson("GET", `${personUrl(person)}/export`);

/**
 * Make `other` part of `person`.
 * @param {Api.PersonRef} person
 * @param {Api.PersonRef} other
 * @returns {Promise<Api.Person>}
 */
export const mergePeople = (person, other) =>
  sendJson("POST", `${personUrl(person)}/merge`, { other: other.person_id });

/**
 * Remember that two entries that look alike are two people.
 * @param {Api.PersonRef} person
 * @param {Api.PersonRef} other
 * @returns {Promise<null>}
 */
export const markDistinct = (person, other) =>
  sendJson("POST", `${personUrl(person)}/distinct`, { other: other.person_id });

/**
 * List the templates of a person.
 * @param {Api.PersonRef} person
 * @returns {Promise<{ templates: Api.Template[] }>}
 */
export const listTemplates = (person) =>
  sendJson("GET", `${personUrl(person)}/templates`);

/**
 * Delete a template of a person.
 * @param {Api.PersonRef} person
 * @param {Api.Template} template
 * @returns {Promise<null>}
 */
export function deleteTemplate(person, { template_id }) {
  const url = `${personUrl(person)}/templates/${encodeURIComponent(template_id)}`;
  return sendJson("DELETE", url);
}

/**
 * Lay the templates of the gallery out in a plane, and a clip among them.
 * @param {{ modality: string, method: string, search: string }} query
 * @param {Blob | null} media
 * @returns {Promise<Api.GalleryMap>}
 */
export function mapGallery(query, media) {
  const url = `/v1/gallery/map?${queryOf(query)}`;
  return media ? uploadForm(url, { media }) : sendJson("GET", url);
}

/**
 * List the entries that look like one person.
 * @param {{ search: string }} query
 * @returns {Promise<Api.Duplicates>}
 */
export const findDuplicates = (query) =>
  sendJson("GET", `/v1/gallery/duplicates?${queryOf(query)}`);

/**
 * Compare every two people of the gallery.
 * @param {{ modality: string, search: string }} query
 * @returns {Promise<Api.Similarity>}
 */
export const compareGallery = (query) =>
  sendJson("GET", `/v1/gallery/similarity?${queryOf(query)}`);
