// Requests to the service. Every failure becomes one ApiError with a text that a person can act on.
import { has, t } from "./texts.js";

const KEY = "duet.key"; // in sessionStorage only: gone with the tab

export const key = () => sessionStorage.getItem(KEY) ?? "";
export const setKey = (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY));

/** `code`: the service's, or "server_gone". `text`: what happened and what to do, in the page's language. */
export class ApiError extends Error {
  constructor(status, code, text, more = {}) {
    super(text);
    Object.assign(this, { status, code, text, details: more.details ?? {}, retryAfterS: more.retryAfterS ?? null });
  }
}

/** Texts of hints in the page's language; the service's own where there is none, and where it has figures in it. */
export const hintText = (hint) => (has(`hint.${hint.code}`) ? t(`hint.${hint.code}`) : hint.text);

export const gone = () => new ApiError(0, "server_gone", t("error.server_gone"));

export function errorFrom(status, body, retryAfter) {
  const error = body?.error ?? {};
  const code = error.code ?? (status === 429 ? "rate_limited" : "internal");
  const text = has(`error.${code}`) ? t(`error.${code}`) : [error.message, error.hint].filter(Boolean).join(" ") || t("error.internal");
  return new ApiError(status, code, text, { details: error.details, retryAfterS: Number(retryAfter) || null });
}

const headers = () => (key() ? { "X-API-Key": key() } : {});

async function answered(url, options) {
  try {
    return await fetch(url, { ...options, headers: { ...headers(), ...options.headers } });
  } catch {
    throw gone();
  }
}

/** A request with a JSON body (or none) → the JSON answer; null for 204. Raises ApiError. */
export async function call(method, url, body) {
  const options = { method, headers: body === undefined ? {} : { "Content-Type": "application/json" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  const answer = await answered(url, options);
  if (answer.status === 204) return null;
  const json = await answer.json().catch(() => null);
  if (!answer.ok) throw errorFrom(answer.status, json, answer.headers.get("Retry-After"));
  return json;
}

/** A picture of the service as an object URL; null where there is none. */
export async function picture(url) {
  const answer = await answered(url, {});
  return answer.ok ? URL.createObjectURL(await answer.blob()) : null;
}

/** POST a form with files; `onProgress(share)` follows the upload, from 0 to 1. Raises ApiError. */
export function upload(url, fields, onProgress = () => {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) form.append(name, value, value.name ?? `clip.${extension(value.type)}`);
    else if (value !== undefined && value !== null) form.append(name, String(value));
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.upload.onload = () => onProgress(1);
    request.onload = () => (request.status < 400 ? resolve(request.response)
      : reject(errorFrom(request.status, request.response, request.getResponseHeader("Retry-After"))));
    request.onerror = request.onabort = request.ontimeout = () => reject(gone());
    request.send(form);
  });
}

/** Where a person of the API is. */
export const personUrl = (person) => `/v1/people/${encodeURIComponent(person.person_id)}`;

/** One more clip of a person → what was stored. Raises ApiError. */
export const addClip = (person, fields, onProgress) => upload(`${personUrl(person)}/templates`, fields, onProgress);

/** Creates a person as `given` and enrols a clip → what was stored. A refused clip leaves no empty person behind. Raises ApiError. */
export async function enrolNew(given, fields, onProgress) {
  const person = await call("POST", "/v1/people", given);
  try {
    return await addClip(person, fields, onProgress);
  } catch (error) {
    await call("DELETE", personUrl(person)).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

function extension(type) {
  const kind = type.split(";")[0];
  return { "video/mp4": "mp4", "audio/mp4": "m4a", "audio/webm": "webm", "image/jpeg": "jpg" }[kind] ?? "webm";
}
