// Routes of the service that only /transcribe uses. Each throws ApiError.
import { sendJson } from "../shared/http.js";

/**
 * List the newest transcripts that are kept.
 * @param {number} limit
 * @returns {Promise<Api.KeptTranscripts>}
 */
export const listTranscripts = (limit) =>
  sendJson("GET", `/v1/transcripts?limit=${limit}`);

/** @param {Api.KeptSummary} transcript */
const transcriptUrl = ({ transcript_id }) => `/v1/transcripts/${transcript_id}`;

/**
 * Read a transcript that is kept.
 * @param {Api.KeptSummary} transcript
 * @returns {Promise<Api.KeptTranscript>}
 */
export const readTranscript = (transcript) =>
  sendJson("GET", transcriptUrl(transcript));

/**
 * Delete a transcript that is kept.
 * @param {Api.KeptSummary} transcript
 * @returns {Promise<null>}
 */
export const deleteTranscript = (transcript) =>
  sendJson("DELETE", transcriptUrl(transcript));
