// Entry of /verify: compares a clip with another, or with a person of the gallery.
import { buttonById, byId, checkedValue, find, listenAll } from "./shared/dom.js";
import { uploadForm } from "./shared/http.js";
import { showError } from "./shared/notice.js";
import { t } from "./shared/texts.js";
import { showChecks } from "./verify/checks.js";
import { PersonChoice } from "./verify/person-choice.js";
import { showResult } from "./verify/result.js";
import { Side } from "./verify/side.js";

const first = new Side(byId("first"), showReadiness);
// Checks for liveness look at the first clip alone
const second = new Side(byId("second"), showReadiness, { digits: false });
const choice = new PersonChoice(showReadiness);
let isBusy = false;

const isAgainstPerson = () => checkedValue("against") === "person";

/** Get what the first clip is compared with, as fields of the request; null without. */
function getReference() {
  if (!isAgainstPerson())
    return second.recording && { reference: second.recording.file };
  return choice.person && { person_id: choice.person.person_id };
}

/** Get the fields of the request; null if one of the two sides is missing. */
function getFields() {
  const reference = getReference();
  if (!first.recording || !reference) return null;
  const { file, challenge } = first.recording;
  return { media: file, challenge, ...reference, show: true };
}

function showReadiness() {
  const isReady = !isBusy && getFields() !== null;
  buttonById("compare").setAttribute("aria-disabled", String(!isReady));
  byId("verify-status").textContent = isReady ? "" : describeWait();
}

function describeWait() {
  if (isBusy) return t("kiosk.comparing");
  return t(isAgainstPerson() ? "verify.wanted_person" : "verify.wanted");
}

/** Show the fields for a clip or for a person, whichever is compared with. */
function showKind() {
  find(second.root, ".clip", HTMLElement).hidden = isAgainstPerson();
  find(second.root, ".person", HTMLElement).hidden = !isAgainstPerson();
  second.compared.hidden = true;
  if (isAgainstPerson()) choice.search();
  showReadiness();
}

async function compare() {
  const fields = getFields();
  if (isBusy || !fields) return;
  setBusy(true);
  byId("verify-problem").hidden = true;
  byId("result").hidden = true;
  try {
    /** @type {Api.Verification} */
    const verification = await uploadForm("/v1/verify", fields, showSent);
    showResult(verification);
    showChecks(verification.liveness);
    first.showCompared(verification.compared.media);
    second.showCompared(verification.compared.reference);
  } catch (error) {
    showError("verify-problem", error);
  } finally {
    setBusy(false);
  }
}

/** @param {boolean} value */
function setBusy(value) {
  isBusy = value;
  byId("verify-sent").hidden = !isBusy;
  showReadiness();
}

/** @param {number} share from 0 to 1 */
function showSent(share) {
  const bar = byId("verify-sent", HTMLProgressElement);
  if (share < 1) bar.value = share;
  else bar.removeAttribute("value");
}

listenAll("[name=against]", "change", showKind);
buttonById("compare").addEventListener("click", compare);
showKind();
