// Shows the view of each stage in the panel, with the focus on what comes next.
import { byId, find } from "../shared/dom.js";
import { serverGone } from "../shared/errors.js";
import { showProblem } from "./problem-view.js";

/** @import { KioskState, Stage } from "./machine.js" */

/**
 * `fill` prepares a view and returns the element to begin with;
 * without one the view itself takes the focus.
 * @typedef {object} View
 * @property {string} name
 * @property {Fill} fill
 */
/** @typedef {(state: KioskState, previous: KioskState) => HTMLElement | null} Fill */
/** @typedef {typeof import("./late-views.js")} LateViews */

/** @type {LateViews | null} */
let lateViews = null;

/**
 * Load what follows an answer, unless it is there. Throws ApiError.
 * @returns {Promise<LateViews>}
 */
export async function loadLateViews() {
  try {
    lateViews ??= await import("./late-views.js");
    return lateViews;
  } catch {
    throw serverGone();
  }
}

/**
 * Fill a view by what is loaded before its stage is entered.
 * @param {(views: LateViews) => Fill} choose
 * @returns {Fill}
 */
const fillLate =
  (choose) =>
  (...states) =>
    lateViews && choose(lateViews)(...states);

/** @type {Record<Stage, View>} */
const VIEWS = {
  welcome: { name: "welcome", fill: () => byId("open") },
  ready: { name: "ready", fill: () => byId("start") },
  countdown: { name: "speak", fill: () => null },
  recording: { name: "speak", fill: () => null },
  sending: { name: "sending", fill: () => null },
  answer: { name: "answer", fill: fillLate((late) => late.showAnswer) },
  enrol: { name: "enrol", fill: fillLate((late) => late.showEnrolForm) },
  duplicate: { name: "duplicate", fill: fillLate((late) => late.showDuplicate) },
  namesake: { name: "namesake", fill: fillLate((late) => late.showNamesake) },
  enrolled: { name: "enrolled", fill: fillLate((late) => late.showEnrolled) },
  problem: { name: "problem", fill: showProblem },
};

/**
 * @param {KioskState} state
 * @param {KioskState} previous
 */
export function showStage(state, previous) {
  byId("main").dataset.state = state.stage;
  if (state.entries === previous.entries) return;
  const { name, fill } = VIEWS[state.stage];
  const first = fill(state, previous);
  for (const part of document.querySelectorAll("[data-view]")) {
    part.toggleAttribute("hidden", part.getAttribute("data-view") !== name);
  }
  const view = find(document, `[data-view="${name}"]`, HTMLElement);
  (first ?? view).focus({ preventScroll: true });
  find(document, ".panel", HTMLElement).scrollTop = 0;
}

/**
 * Say something to those who cannot see the page.
 * @param {string} text
 */
export function announce(text) {
  byId("announcement").textContent = text;
}
