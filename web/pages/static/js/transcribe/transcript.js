// What was said: lines with their times and speakers. Pure.

/**
 * A line. `speaker` is empty while it is not known who speaks.
 * @typedef {object} Line
 * @property {number} start in seconds
 * @property {number} end in seconds
 * @property {string} text
 * @property {string} speaker
 * @property {string | null} personId
 * @property {string} outcome
 * @property {string | null} decidedBy
 * @property {boolean} overlap
 */

/** @typedef {{ label: string, personId: string | null, seconds: number }} Voice */

/** Outcomes of voices that may be enrolled. */
const STRANGERS = new Set(["unknown", "open"]);

/** Speech in seconds that an enrolment needs, and that it is given at most. */
const LEAST_S = 1;
const MOST_S = 30;

/**
 * Make a line of what the service sends while it listens.
 * @param {Api.TranscriptDelta} event
 * @returns {Line}
 */
export const lineOfDelta = ({ delta, start, end }) => ({
  start,
  end,
  text: delta.trim(),
  speaker: "",
  personId: null,
  outcome: "",
  decidedBy: null,
  overlap: false,
});

/**
 * Make a line of what the service sends once it knows who speaks.
 * @param {Omit<Api.TranscriptSegment, "type" | "id" | "probability">} segment
 * @returns {Line}
 */
export const lineOfSegment = (segment) => ({
  start: segment.start,
  end: segment.end,
  text: segment.text,
  speaker: segment.speaker,
  personId: segment.person_id,
  outcome: segment.outcome,
  decidedBy: segment.decided_by,
  overlap: segment.overlap,
});

/**
 * Make the lines of a transcript that is kept.
 * @param {Api.KeptTranscript} transcript
 * @returns {Line[]}
 */
export const linesOfKept = ({ segments }) =>
  segments.map((segment) => lineOfSegment({ ...segment, overlap: false }));

/**
 * List the voices in the order in which they begin to speak.
 * @param {Line[]} lines
 * @returns {Voice[]}
 */
export function listVoices(lines) {
  /** @type {Map<string, Voice>} */
  const voices = new Map();
  for (const { speaker, personId, start, end } of lines) {
    if (!speaker) continue;
    const voice = voices.get(speaker) ?? { label: speaker, personId, seconds: 0 };
    voices.set(speaker, { ...voice, seconds: voice.seconds + end - start });
  }
  return [...voices.values()];
}

/**
 * Give all lines of a speaker another name.
 * @param {Line[]} lines
 * @param {string} speaker
 * @param {Api.PersonRef} person
 */
export const renameSpeaker = (lines, speaker, person) =>
  lines.map((line) =>
    line.speaker === speaker
      ? {
          ...line,
          speaker: person.name,
          personId: person.person_id,
          outcome: "named",
          decidedBy: null,
        }
      : line,
  );

/**
 * List the times at which a stranger speaks alone, the longest first.
 * Too little speech gives none.
 * @param {Line[]} lines
 * @param {string} speaker
 * @returns {[number, number][]}
 */
export function listTurns(lines, speaker) {
  const own = lines
    .filter((line) => line.speaker === speaker && !line.overlap)
    .filter((line) => STRANGERS.has(line.outcome))
    .sort((one, other) => other.end - other.start - (one.end - one.start));
  /** @type {[number, number][]} */
  const turns = [];
  let seconds = 0;
  for (const { start, end } of own) {
    if (seconds >= MOST_S) break;
    turns.push([start, end]);
    seconds += end - start;
  }
  return seconds >= LEAST_S ? turns : [];
}

/**
 * Find the line that is said at a time; -1 for none.
 * @param {Line[]} lines
 * @param {number} seconds
 */
export const findLine = (lines, seconds) =>
  lines.findIndex(({ start, end }) => start <= seconds && seconds < end);
