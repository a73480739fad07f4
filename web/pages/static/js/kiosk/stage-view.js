// Shows the view of each stage in the panel, with the focus on what comes next.
import { byId, find } from "../shared/dom.js";
import { showAnswer } from "./answer-view.js";
import { showDuplicate, showEnrolled, showEnrolForm } from "./enrolment-view.js";
import { showProblem } from "./problem-view.js";

/** @import { KioskState, Stage } from "./machine.js" */

/**
 * `fill` prepares a view and returns the element to begin with;
 * without one the view itself takes the focus.
 * @typedef {object} View
 * @property {string} name
 * @property {(state: KioskState, previous: KioskState) => HTMLElement | null} fill
 */

/** @type {Record<Stage, View>} */
const VIEWS = {
  welcome: { name: "welcome", fill: () => byId("open") },
  ready: { name: "ready", fill: () => byId("start") },
  countdown: { name: "speak", fill: () => null },
  recording: { name: "speak", fill: () => null },
  sending: { name: "sending", fill: () => null },
  answer: { name: "answer", fill: showAnswer },
  enrol: { name: "enrol", fill: showEnrolForm },
  duplicate: { name: "duplicate", fill: showDuplicate },
  enrolled: { name: "enrolled", fill: showEnrolled },
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
