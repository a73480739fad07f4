// Requests to the service. Every failure is an ApiError.
import { sendWhenFree } from "./busy.js";
import { errorFromAnswer, serverGone } from "./errors.js";
import { keyHeaders } from "./key.js";
import { at } from "./root.js";

/** @typedef {(share: number) => void} OnProgress follows an upload from 0 to 1 */
/** @typedef {Record<string, Blob | string | boolean | null | undefined>} FormFields */

/** @type {Record<string, string>} */
const EXTENSIONS = {
  "video/mp4": "mp4",
  "audio/mp4": "m4a",
  "audio/webm": "webm",
  "image/jpeg": "jpg",
};

/**
 * Fetch with the API key. Throws ApiError without an answer.
 * @param {string} url
 * @param {RequestInit} options
 */
export async function fetchWithKey(url, options = {}) {
  try {
    return await fetch(at(url), {
      ...options,
      headers: { ...keyHeaders(), ...options.headers },
    });
  } catch {
    throw serverGone();
  }
}

/**
 * Send a JSON body, or none, and return the JSON answer; null for 204.
 * The caller names the type of the answer, as the service's contract states it.
 * @template T
 * @param {string} method
 * @param {string} url
 * @param {object} [body]
 * @returns {Promise<T>}
 */
export async function sendJson(method, url, body) {
  const answer = await fetchWithKey(url, { method, ...jsonOptions(body) });
  if (answer.status === 204) return /** @type {T} */ (null);
  const json = await answer.json().catch(() => null);
  if (answer.ok) return json;
  throw errorFromAnswer(answer.status, json, answer.headers.get("Retry-After"));
}

/** @param {object | undefined} body */
function jsonOptions(body) {
  if (body === undefined) return {};
  const headers = { "Content-Type": "application/json" };
  return { headers, body: JSON.stringify(body) };
}

/**
 * POST a form with files and return the JSON answer. A busy service is asked again.
 * @template T
 * @param {string} url
 * @param {FormFields} fields
 * @param {OnProgress} [onProgress]
 * @returns {Promise<T>}
 */
export const uploadForm = (url, fields, onProgress) =>
  sendWhenFree(() => uploadOnce(url, fields, onProgress));

/**
 * `fetch` reports no progress of an upload, so this is an XMLHttpRequest.
 * @template T
 * @param {string} url
 * @param {FormFields} fields
 * @param {OnProgress} onProgress
 * @returns {Promise<T>}
 */
function uploadOnce(url, fields, onProgress = () => {}) {
  const request = new XMLHttpRequest();
  request.open("POST", at(url));
  for (const [name, value] of Object.entries(keyHeaders())) {
    request.setRequestHeader(name, value);
  }
  request.responseType = "json";
  followUpload(request.upload, onProgress);
  const answer = waitForAnswer(request);
  request.send(formOf(fields));
  return answer;
}

/**
 * @param {XMLHttpRequestUpload} upload
 * @param {OnProgress} onProgress
 */
function followUpload(upload, onProgress) {
  upload.onprogress = (event) => {
    if (event.lengthComputable) onProgress(event.loaded / event.total);
  };
  upload.onload = () => onProgress(1);
}

/**
 * @template T
 * @param {XMLHttpRequest} request
 * @returns {Promise<T>}
 */
function waitForAnswer(request) {
  return new Promise((resolve, reject) => {
    request.onload = () => {
      const { status, response } = request;
      const retryAfter = request.getResponseHeader("Retry-After");
      if (status < 400) resolve(response);
      else reject(errorFromAnswer(status, response, retryAfter));
    };
    const rejectGone = () => reject(serverGone());
    request.onerror = rejectGone;
    request.onabort = rejectGone;
    request.ontimeout = rejectGone;
  });
}

/**
 * Fill a form. Fields without a value are left out.
 * @param {FormFields} fields
 */
export function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) form.append(name, value, fileNameOf(value));
    else if (value !== undefined && value !== null) form.append(name, String(value));
  }
  return form;
}

/**
 * Name a recording after its type, which is how the service recognises it.
 * @param {Blob} blob
 */
export function fileNameOf(blob) {
  if (blob instanceof File) return blob.name;
  const [type = ""] = blob.type.split(";");
  return `clip.${EXTENSIONS[type] ?? "webm"}`;
}
