// Routes of visitors that the pages of the console use. Each throws ApiError.
import { sendJson } from "../shared/http.js";
import { queryOf } from "../shared/people-search.js";

/**
 * List a part of the recent visitors.
 * @param {Record<string, string | number>} query
 * @returns {Promise<Api.Visits>}
 */
export const listVisits = (query) => sendJson("GET", `/v1/visits?${queryOf(query)}`);

/** @param {Api.Visit} visit */
const correctionUrl = ({ visit_id }) => `/v1/visits/${visit_id}/correction`;

/**
 * Say that an answer is wrong.
 * @param {Api.Visit} visit
 * @param {string | null} personId who it was; null: nobody known
 * @returns {Promise<Api.Visit>}
 */
export const correctVisit = (visit, personId) =>
  sendJson("POST", correctionUrl(visit), { person_id: personId });

/**
 * Let an answer stand that was said to be wrong.
 * @param {Api.Visit} visit
 * @returns {Promise<Api.Visit>}
 */
export const takeBackCorrection = (visit) => sendJson("DELETE", correctionUrl(visit));
