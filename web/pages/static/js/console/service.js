// Routes of the service that the pages of the console use. Each throws ApiError.
import { sendJson } from "../shared/http.js";
import { queryOf } from "../shared/people-search.js";

/** @returns {Promise<{ jobs: Api.Job[] }>} */
export const listJobs = () => sendJson("GET", "/v1/jobs");

/** @param {string} jobId */
const jobUrl = (jobId) => `/v1/jobs/${encodeURIComponent(jobId)}`;

/**
 * Read a job with a part of its files.
 * @param {string} jobId
 * @param {Record<string, string | number>} part
 * @returns {Promise<Api.JobWithItems>}
 */
export const readJob = (jobId, part) =>
  sendJson("GET", `${jobUrl(jobId)}?${queryOf(part)}`);

/**
 * Cancel an open job, or remove one that has ended.
 * @param {string} jobId
 * @returns {Promise<Api.Job>}
 */
export const cancelJob = (jobId) => sendJson("DELETE", jobUrl(jobId));

/**
 * Read a part of the audit.
 * @param {Record<string, string | number>} query
 * @returns {Promise<Api.Audit>}
 */
export const readAudit = (query) => sendJson("GET", `/v1/audit?${queryOf(query)}`);

/**
 * Follow the chain of the audit.
 * @param {string} noted a head that was written down, or an empty text
 * @returns {Promise<Api.AuditVerified>}
 */
export const verifyAudit = (noted) =>
  sendJson("GET", `/v1/audit/verify${noted && `?${queryOf({ noted })}`}`);

/** @returns {Promise<{ keys: Api.ApiKey[] }>} */
export const listKeys = () => sendJson("GET", "/v1/keys");

/**
 * Make a key. Its text is in this answer alone.
 * @param {{ role: string, label: string }} facts
 * @returns {Promise<Api.ApiKey & { key: string }>}
 */
export const createKey = (facts) => sendJson("POST", "/v1/keys", facts);

/**
 * Revoke a key.
 * @param {string} keyId
 * @returns {Promise<Api.ApiKey>}
 */
export const revokeKey = (keyId) =>
  sendJson("DELETE", `/v1/keys/${encodeURIComponent(keyId)}`);

/** @returns {Promise<Api.Backups>} */
export const listBackups = () => sendJson("GET", "/v1/backups");

/** @returns {Promise<Api.Backups>} */
export const beginBackup = () => sendJson("POST", "/v1/backups");

/** @returns {Promise<{ settings: Api.Setting[] }>} */
export const listSettings = () => sendJson("GET", "/v1/settings");
