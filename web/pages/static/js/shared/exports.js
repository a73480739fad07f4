// Transcripts as files: plain text, SubRip, WebVTT and JSON. Pure.

/** @import { Line } from "../transcribe/transcript.js" */
/** @typedef {Pick<Line, "start" | "end" | "text" | "speaker">} Caption */

/**
 * What people read, by the ending of the file.
 * @type {Record<string, { type: string, write: (lines: Caption[]) => string }>}
 */
export const CAPTIONS = {
  txt: { type: "text/plain", write: writeText },
  srt: { type: "application/x-subrip", write: writeSrt },
  vtt: { type: "text/vtt", write: writeVtt },
};

/** @type {Record<string, { type: string, write: (lines: Line[]) => string }>} */
export const FORMS = {
  ...CAPTIONS,
  json: { type: "application/json", write: writeJson },
};

/** @param {Caption[]} lines */
function writeText(lines) {
  return lines.map((line) => `${withSpeaker(line)}\n`).join("");
}

/** @param {Caption[]} lines */
function writeSrt(lines) {
  return lines
    .map((line, i) => `${i + 1}\n${formatSpan(line, ",")}\n${withSpeaker(line)}\n`)
    .join("\n");
}

/** @param {Caption[]} lines */
function writeVtt(lines) {
  const cues = lines.map((line) => `\n${formatSpan(line, ".")}\n${withVoice(line)}\n`);
  return `WEBVTT\n${cues.join("")}`;
}

/** @param {Line[]} lines */
function writeJson(lines) {
  const segments = lines.map(({ personId, ...line }) => ({
    ...line,
    person_id: personId,
  }));
  return `${JSON.stringify({ segments }, null, 1)}\n`;
}

/**
 * Write seconds as 01:02:03.004.
 * @param {number} seconds
 * @param {string} mark before the milliseconds
 */
export function formatTime(seconds, mark) {
  const all = Math.round(Math.max(seconds, 0) * 1000);
  const parts = [all / 3600000, (all / 60000) % 60, (all / 1000) % 60];
  const [hours, minutes, rest] = parts.map((part) =>
    String(Math.floor(part)).padStart(2, "0"),
  );
  return `${hours}:${minutes}:${rest}${mark}${String(all % 1000).padStart(3, "0")}`;
}

/**
 * @param {Caption} line
 * @param {string} mark
 */
const formatSpan = ({ start, end }, mark) =>
  `${formatTime(start, mark)} --> ${formatTime(Math.max(end, start + 0.001), mark)}`;

/** @param {Caption} line */
const withSpeaker = ({ speaker, text }) => (speaker ? `${speaker}: ${text}` : text);

/** @param {Caption} line */
const withVoice = ({ speaker, text }) =>
  speaker ? `<v ${escape(speaker)}>${escape(text)}` : escape(text);

/** @param {string} text */
const escape = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
