// "Enrol me": a name and a consent, then the clip that was just recorded.
import { byId, inputById, withButtonsDisabled } from "../shared/dom.js";
import { asApiError, duplicateOf } from "../shared/errors.js";
import { addClip, enrolPerson } from "../shared/service.js";
import { t } from "../shared/texts.js";
import { showFieldProblem } from "./enrolment-view.js";
import { fail, finishEnrolment, questionIdentity, questionName } from "./machine.js";

/** @import { Kiosk } from "./kiosk.js" */

const BUTTONS = ["enrol", "duplicate", "namesake"]
  .map((view) => `[data-view="${view}"] button`)
  .join();

/**
 * Enrol the person under the name in the form, as the questions were answered.
 * @param {Kiosk} kiosk
 */
export async function submitEnrolment(kiosk) {
  const { isSomebodyElse, isNamesake } = kiosk.state.said;
  const name = nameInForm();
  const missing = findMissingField(name);
  if (missing) {
    showFieldProblem(missing, t(`enrol.missing_${missing}`));
    return;
  }
  const consent = byId("consent-text").textContent ?? "";
  const facts = { name, consent, unique_name: !isNamesake };
  await enrol(kiosk, (clip) => enrolPerson(facts, { ...clip, force: isSomebodyElse }));
}

/**
 * Add the clip to the person whom it matches.
 * @param {Kiosk} kiosk
 */
export async function addToDuplicate(kiosk) {
  const { duplicate } = kiosk.state;
  if (duplicate) await enrol(kiosk, (clip) => addClip(duplicate, clip));
}

const nameInForm = () => inputById("name").value.trim();

/** @param {string} name */
function findMissingField(name) {
  if (!name) return "name";
  return inputById("consent").checked ? null : "consent";
}

/**
 * @param {Kiosk} kiosk
 * @param {(clip: { media: Blob, challenge?: string }) => Promise<Api.Enrolment>} send
 */
async function enrol(kiosk, send) {
  const { clip, challenge } = kiosk.state;
  if (!clip) return;
  const fields = { media: clip, challenge: challenge?.challenge_id };
  await withButtonsDisabled(BUTTONS, async () => {
    try {
      kiosk.apply(finishEnrolment, await send(fields));
    } catch (error) {
      showEnrolmentError(kiosk, asApiError(error));
    }
  });
}

/**
 * @param {Kiosk} kiosk
 * @param {import("../shared/errors.js").ApiError} error
 */
function showEnrolmentError(kiosk, error) {
  const duplicate = duplicateOf(error);
  if (duplicate) kiosk.apply(questionIdentity, duplicate);
  else if (error.code === "name_taken") kiosk.apply(questionName, nameInForm());
  else if (error.code === "invalid_name") showFieldProblem("name", error.message);
  else kiosk.apply(fail, error);
}
