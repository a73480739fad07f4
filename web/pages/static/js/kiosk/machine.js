// State machine of the kiosk: its state, and every step from one state to the next.
// Pure functions: they touch neither page nor devices.
//
//   welcome --- devices open ---> ready -> countdown -> recording -> sending -> answer
//      \__________________________ a file ______________________________/        |
//   answer -> enrol -> [namesake] -> [duplicate] -> enrolled   any -> problem    |
//   any stage -> ready, or welcome without devices: the next person  <-----------/

/** @import { ApiError } from "../shared/errors.js" */
/** @import { DeviceError, Devices } from "../shared/devices.js" */

/**
 * @typedef {"welcome" | "ready" | "countdown" | "recording" | "sending" | "answer"
 *   | "enrol" | "duplicate" | "namesake" | "enrolled" | "problem"} Stage
 */

/**
 * `entries` counts the stages entered, so that entering one again is a change too.
 * @typedef {object} KioskState
 * @property {Stage} stage
 * @property {number} entries
 * @property {Devices | null} devices
 * @property {Api.Challenge | null} challenge digits that the clip says
 * @property {Blob | null} clip stays here until the next person begins
 * @property {Api.Identification | null} answer
 * @property {boolean} isRejected the person said that the answer names somebody else
 * @property {Api.PersonRef | null} duplicate whom the clip to enrol matches
 * @property {string | null} takenName that somebody who is enrolled has, too
 * @property {EnrolmentAnswers} said what was answered to questions before an enrolment
 * @property {Api.Enrolment | null} enrolment
 * @property {Problem | null} problem
 */

/**
 * @typedef {object} EnrolmentAnswers
 * @property {boolean} isSomebodyElse than the person whom the clip matches
 * @property {boolean} isNamesake of the person who has the name already
 */

/** @type {EnrolmentAnswers} */
const NOTHING_SAID = { isSomebodyElse: false, isNamesake: false };

/** @type {KioskState} */
export const INITIAL_STATE = Object.freeze({
  stage: "welcome",
  entries: 0,
  devices: null,
  challenge: null,
  clip: null,
  answer: null,
  isRejected: false,
  duplicate: null,
  takenName: null,
  said: NOTHING_SAID,
  enrolment: null,
  problem: null,
});

/** Stages that end by themselves or wait for somebody to come. */
const LASTING_STAGES = ["welcome", "ready", "countdown", "recording", "sending"];

/** @typedef {(state: KioskState) => KioskState} Step */
/** @typedef {ApiError | DeviceError} Problem */

/**
 * @param {KioskState} state
 * @param {Stage} stage
 * @param {Partial<KioskState>} changes
 * @returns {KioskState}
 */
const enter = (state, stage, changes = {}) => ({
  ...state,
  ...changes,
  stage,
  entries: state.entries + 1,
});

/**
 * Wait for the next person and forget the last one.
 * @type {Step}
 */
export const reset = ({ devices, entries }) =>
  enter({ ...INITIAL_STATE, devices, entries }, devices ? "ready" : "welcome");

/**
 * Take over devices that were asked for in the stage `during`.
 * Whoever uses a file meanwhile is not interrupted.
 * @param {KioskState} state
 * @param {Devices} devices
 * @param {Stage} during
 */
export function useDevices(state, devices, during) {
  const changed = { ...state, devices };
  return state.stage === during ? reset(changed) : changed;
}

/**
 * Go on without the devices that were asked for in the stage `during`.
 * @param {KioskState} state
 * @param {DeviceError} problem
 * @param {Stage} during
 */
export function refuseDevices(state, problem, during) {
  const changed = { ...state, devices: null };
  return state.stage === during ? fail(changed, problem) : changed;
}

/**
 * Notice that a device was pulled out, or the permission withdrawn.
 * @param {KioskState} state
 * @param {DeviceError} problem
 */
export const loseDevices = (state, problem) =>
  fail({ ...state, devices: null }, problem);

/**
 * Count a person in, who then says the digits of the challenge, or else a sentence.
 * @param {KioskState} state
 * @param {Api.Challenge | null} [challenge]
 */
export const startCountdown = (state, challenge = null) =>
  enter(state, "countdown", { challenge });

/**
 * Record after the countdown. The person sees the same view, so this is no entry.
 * @type {Step}
 */
export const startRecording = (state) => ({ ...state, stage: "recording" });

/**
 * Send a new clip, or the one that is there once more. A file says no digits.
 * @param {KioskState} state
 * @param {Blob | null} clip
 */
export const startSending = (state, clip = state.clip) =>
  enter(state, "sending", {
    clip,
    challenge: isCapturing(state) || clip === state.clip ? state.challenge : null,
  });

/**
 * @param {KioskState} state
 * @param {Api.Identification} answer
 */
export const receiveAnswer = (state, answer) =>
  enter(state, "answer", { answer, isRejected: false });

/**
 * Take a wrong name off the screen.
 * @type {Step}
 */
export const rejectName = (state) => enter(state, "answer", { isRejected: true });

/** @type {Step} */
export const returnToAnswer = (state) => enter(state, "answer");

/** @type {Step} */
export const startEnrolment = (state) => enter(state, "enrol", { said: NOTHING_SAID });

/**
 * Note an answer to a question before the enrolment. The view stays.
 * @param {KioskState} state
 * @param {Partial<EnrolmentAnswers>} said
 */
export const noteAnswer = (state, said) => ({
  ...state,
  said: { ...state.said, ...said },
});

/**
 * Ask whether the person is the one whom the clip matches.
 * @param {KioskState} state
 * @param {Api.PersonRef} duplicate
 */
export const questionIdentity = (state, duplicate) =>
  enter(state, "duplicate", { duplicate });

/**
 * Ask whether the person is the one who has the name already.
 * @param {KioskState} state
 * @param {string} takenName
 */
export const questionName = (state, takenName) =>
  enter(state, "namesake", { takenName });

/**
 * @param {KioskState} state
 * @param {Api.Enrolment} enrolment
 */
export const finishEnrolment = (state, enrolment) =>
  enter(state, "enrolled", { enrolment });

/**
 * @param {KioskState} state
 * @param {Problem} problem
 */
export const fail = (state, problem) => enter(state, "problem", { problem });

/**
 * Leave a stage by the Escape key. A clip on its way is not called back.
 * @param {KioskState} state
 */
export function escape(state) {
  if (state.stage === "sending") return state;
  return isCapturing(state) || state.devices ? reset(state) : state;
}

/**
 * Check whether the person is counted in or recorded.
 * @param {KioskState} state
 */
export const isCapturing = ({ stage }) =>
  stage === "countdown" || stage === "recording";

/**
 * Check whether the stage shows something about a person until somebody acts.
 * @param {KioskState} state
 */
export const isLingering = ({ stage }) => !LASTING_STAGES.includes(stage);
