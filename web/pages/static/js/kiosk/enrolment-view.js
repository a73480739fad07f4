// Views of enrolling: the form, the question about somebody alike, what was stored.
import { buttonById, byId, inputById } from "../shared/dom.js";
import { describeHint } from "../shared/errors.js";
import { showLines, showName } from "../shared/lines.js";
import { t } from "../shared/texts.js";
import { isStaff } from "../header.js";

/** @import { KioskState } from "./machine.js" */

/**
 * Show the form, empty unless another name is wanted. Returns the field to begin with.
 * @param {KioskState} _state
 * @param {KioskState} previous
 */
export function showEnrolForm(_state, previous) {
  if (previous.stage !== "namesake") {
    inputById("name").value = "";
    inputById("consent").checked = false;
  }
  byId("enrol-problem").hidden = true;
  return byId("name");
}

/**
 * Say what is wrong with a field and put the focus on it.
 * @param {"name" | "consent"} id
 * @param {string} text
 */
export function showFieldProblem(id, text) {
  const field = inputById(id);
  byId("enrol-problem").textContent = text;
  byId("enrol-problem").hidden = false;
  field.setAttribute("aria-invalid", "true");
  const clear = () => field.removeAttribute("aria-invalid");
  field.addEventListener("input", clear, { once: true });
  field.focus();
}

/**
 * Ask whether it is the person whom the clip matches. Only an operator may say so:
 * with the key of a kiosk the page sends people to one.
 * @param {KioskState} state
 */
export function showDuplicate({ duplicate }) {
  const name = duplicate?.name ?? "";
  byId("duplicate-text").textContent = t("enrol.duplicate_text", { name });
  byId("duplicate-same").textContent = t("enrol.same", { name });
  byId("duplicate-same").hidden = !isStaff();
  byId("duplicate-other").hidden = !isStaff();
  byId("duplicate-operator").hidden = isStaff();
  byId("duplicate-cancel").textContent = t(isStaff() ? "common.cancel" : "common.back");
  const first = buttonById(isStaff() ? "duplicate-same" : "duplicate-cancel");
  first.disabled = false; // a disabled button takes no focus
  return first;
}

/**
 * Ask whether it is the person who has the name already.
 * @param {KioskState} state
 */
export function showNamesake({ takenName }) {
  const name = takenName ?? "";
  byId("namesake-text").textContent = t("enrol.namesake_text", { name });
  byId("namesake-other").textContent = t("enrol.namesake_other", { name });
  const first = buttonById("namesake-other");
  first.disabled = false; // a disabled button takes no focus
  return first;
}

/**
 * Show what was stored. Returns the button to begin with.
 * @param {KioskState} state
 */
export function showEnrolled({ enrolment }) {
  if (!enrolment) return null;
  showName(byId("enrolled-who"), enrolment.person.name);
  byId("enrolled-text").textContent = describeStored(enrolment);
  showLines(byId("enrolled-hints"), enrolment.hints.map(describeHint));
  return byId("enrolled-done");
}

/**
 * Say what was stored. A clip that was enrolled before stores nothing.
 * @param {Api.Enrolment} enrolment
 */
export function describeStored({ templates: [first, second] }) {
  if (!first) return "";
  return t(`enrol.stored_${second ? "both" : first.modality}`);
}
