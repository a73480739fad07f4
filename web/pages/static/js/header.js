// Header of every page: the state of the service, and the dialog for the API key.
import { buttonById, byId, inputById } from "./shared/dom.js";
import { getKey, setKey } from "./shared/key.js";
import { getHealth } from "./shared/service.js";
import { t } from "./shared/texts.js";

const CHECK_EVERY_MS = 20_000;
const dialog = byId("key-dialog", HTMLDialogElement);
const input = inputById("key-input");
const problem = byId("key-problem");

/** @type {string | null} */
let role = null;

/** Check whether the key is an operator's. False until the service has said so. */
export const isAdmin = () => role === "admin";

/** Open the dialog for the key. */
export function askForKey() {
  problem.hidden = true;
  dialog.showModal();
  input.focus();
}

/**
 * Ask the service for its state and show it.
 * Returns whether the key is good, or null if the service does not answer.
 */
async function checkService() {
  try {
    const health = await getHealth();
    role = health.role ?? null;
    const isOpen = health.version !== undefined; // told only to those with a good key
    showHealth(stateOf(health), describeHealth(health));
    buttonById("key-button").hidden = isOpen && !getKey();
    return isOpen;
  } catch {
    showHealth("gone", t("header.gone"));
    return null;
  }
}

/** @param {Api.Health} health */
function stateOf({ status, version }) {
  if (version === undefined) return "key";
  return status === "degraded" ? "degraded" : "ok";
}

/** @param {Api.Health} health */
function describeHealth({ version, reasons = [] }) {
  if (version === undefined) return t("header.key_needed");
  if (reasons.length === 0) return t("header.ok", { version });
  const trouble = reasons.map(({ code }) => t(`trouble.${code}`));
  return `${t("header.degraded")}: ${trouble.join(", ")}`;
}

/**
 * Show a state of the service. Unchanged text is left alone, or it would be read out
 * again.
 * @param {string} state
 * @param {string} text
 */
function showHealth(state, text) {
  byId("health").dataset.state = state;
  if (byId("health-text").textContent !== text) byId("health-text").textContent = text;
}

/** @param {SubmitEvent} event */
async function submitKey(event) {
  event.preventDefault();
  setKey(input.value.trim());
  const isGood = await checkService();
  problem.hidden = isGood === true;
  problem.textContent = t(isGood === null ? "error.server_gone" : "key.wrong");
  if (isGood) closeDialog();
  else setKey("");
}

function forgetKey() {
  setKey("");
  closeDialog();
  checkService();
}

function closeDialog() {
  input.value = "";
  dialog.close();
  document.dispatchEvent(new CustomEvent("key-changed"));
}

function checkIfVisible() {
  if (document.visibilityState === "visible") checkService();
}

buttonById("key-button").addEventListener("click", askForKey);
byId("key-form", HTMLFormElement).addEventListener("submit", submitKey);
buttonById("key-close").addEventListener("click", () => dialog.close());
buttonById("key-forget").addEventListener("click", forgetKey);
document.addEventListener("visibilitychange", checkIfVisible);
setInterval(checkIfVisible, CHECK_EVERY_MS);
checkService();
