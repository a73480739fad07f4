// Routes of the service that enrol many people. Each throws ApiError.
import { errorFromAnswer } from "../shared/errors.js";
import { fetchWithKey, formOf, uploadForm } from "../shared/http.js";
import { create } from "../shared/dom.js";
import { queryOf } from "../shared/people-search.js";

/** @import { FormFields } from "../shared/http.js" */

/**
 * Ask what would happen.
 * @param {FormFields} fields
 * @param {Record<string, string | number>} part
 * @returns {Promise<Api.EnrolmentPlan>}
 */
export const previewEnrolment = (fields, part) =>
  uploadForm(`/v1/enrolments/preview?${queryOf(part)}`, fields);

/**
 * Make the job that does it.
 * @param {FormFields} fields
 * @returns {Promise<Api.Job>}
 */
export const createEnrolment = (fields) => uploadForm("/v1/enrolments", fields);

/** @param {string} jobId */
const enrolmentUrl = (jobId) => `/v1/enrolments/${encodeURIComponent(jobId)}`;

/**
 * Send a clip that the job waits for.
 * @param {string} jobId
 * @param {number} position
 * @param {File} media
 * @returns {Promise<unknown>}
 */
export const sendFile = (jobId, position, media) =>
  uploadForm(`${enrolmentUrl(jobId)}/files/${position}`, { media });

/**
 * Save the report of a job that enrols as a file. A table names those who were refused.
 * Returns whether it was read, or there is none.
 * @param {string} jobId
 * @param {FormFields | null} table
 */
export async function saveReport(jobId, table = null) {
  const { answer, isNamed } = await fetchReport(`${enrolmentUrl(jobId)}/report`, table);
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw errorFromAnswer(answer.status, body, answer.headers.get("Retry-After"));
  }
  const href = URL.createObjectURL(await answer.blob());
  create("a", { href, download: `enrolment-${jobId.slice(0, 12)}.csv` }).click();
  URL.revokeObjectURL(href);
  return isNamed;
}

/**
 * Fetch a report, without those names where the table is refused.
 * @param {string} url
 * @param {FormFields | null} table
 */
async function fetchReport(url, table) {
  if (table) {
    const options = { method: "POST", body: formOf(table) };
    const answer = await fetchWithKey(url, options).catch(() => null);
    if (answer?.ok) return { answer, isNamed: true };
  }
  return { answer: await fetchWithKey(url), isNamed: !table };
}
