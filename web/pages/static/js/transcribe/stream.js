// A recording is sent, and its text comes back while it is written. Throws ApiError.
import { errorFromAnswer, serverGone } from "../shared/errors.js";
import { fetchWithKey } from "../shared/http.js";

/**
 * What is asked for beside the file.
 * @typedef {{ language: string, count: string, isSeparate: boolean }} Options
 */

/**
 * Yield the events of the service.
 * @param {File} file
 * @param {Options} options
 * @param {AbortSignal} signal ends it
 * @returns {AsyncGenerator<Api.TranscriptEvent>}
 */
export async function* transcribe(file, options, signal) {
  const body = formOf(file, options);
  const url = "/v1/audio/transcriptions";
  const answer = await fetchWithKey(url, { method: "POST", body, signal });
  if (!answer.ok || !answer.body) {
    const json = await answer.json().catch(() => null);
    throw errorFromAnswer(answer.status, json, answer.headers.get("Retry-After"));
  }
  for await (const event of readEvents(answer.body)) {
    if (!("type" in event)) throw errorFromAnswer(200, event, null);
    yield event;
  }
}

/**
 * @param {File} file
 * @param {Options} options
 */
function formOf(file, { language, count, isSeparate }) {
  const form = new FormData();
  form.append("file", file, file.name);
  form.append("stream", "true");
  form.append("response_format", "diarized_json");
  if (language) form.append("language", language);
  if (count) form.append("num_speakers", count);
  if (isSeparate) form.append("channels", "separate");
  return form;
}

/**
 * Read server-sent events. A stream that breaks off is an error.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<Api.TranscriptEvent | Api.ErrorBody>}
 */
export async function* readEvents(stream) {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch(() => {
        throw serverGone();
      });
      if (done) return;
      pending += decoder.decode(value, { stream: true });
      const parts = pending.split("\n\n");
      pending = parts.pop() ?? "";
      for (const part of parts.filter(isEvent))
        yield JSON.parse(part.replace(/^data: /, ""));
    }
  } finally {
    reader.releaseLock();
  }
}

/**
 * Whether a part of a stream is an event. Comments say that the work goes on.
 * @param {string} part
 */
function isEvent(part) {
  return !part.startsWith(":");
}
