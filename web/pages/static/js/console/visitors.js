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

/**
 * List a part of the unknown visitors.
 * @param {Record<string, string | number>} query
 * @returns {Promise<Api.Strangers>}
 */
export const listStrangers = (query) =>
  sendJson("GET", `/v1/strangers?${queryOf(query)}`);

/** @param {Api.Stranger} stranger */
const strangerUrl = ({ stranger_id }) => `/v1/strangers/${stranger_id}`;

/**
 * Remember whether an unknown visitor stays unknown.
 * @param {Api.Stranger} stranger
 * @param {boolean} hidden
 * @returns {Promise<Api.Stranger>}
 */
export const hideStranger = (stranger, hidden) =>
  sendJson("PATCH", strangerUrl(stranger), { hidden });

/**
 * Delete an unknown visitor now.
 * @param {Api.Stranger} stranger
 * @returns {Promise<null>}
 */
export const deleteStranger = (stranger) => sendJson("DELETE", strangerUrl(stranger));

/**
 * Enrol an unknown visitor who agreed to it.
 * @param {Api.Stranger} stranger
 * @param {object} facts
 * @returns {Promise<Api.Enrolment>}
 */
export const enrolStranger = (stranger, facts) =>
  sendJson("POST", `${strangerUrl(stranger)}/enrolment`, facts);
