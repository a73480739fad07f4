// Header of every page: the state of the service, and the dialog for the API key.
import { buttonById, byId, inputById } from "./shared/dom.js";
import { getKey, setKey } from "./shared/key.js";
import { getHealth } from "./shared/service.js";
import { t } from "./shared/texts.js";

const CHECK_EVERY_MS = 20_000;
const dialog = byId("key-dialog", HTMLDialogElement);
const input = inputById("key-input");
const problem = byId("key-problem");

/** The roles that this page is of use to, the smallest first. None: all. */
const needed = (document.documentElement.dataset.needs ?? "")
  .split(" ")
  .filter(Boolean);

/** @type {string | null} */
let role = null;

/** Check whether the key is an operator's. False until the service has said so. */
export const isStaff = () => role === "admin" || role === "operator";

/** Open the dialog for the key. */
export function askForKey() {
  problem.hidden = true;
  dialog.showModal();
  input.focus();
}

/**
 * Ask the service for its state and show it.
 * Returns what is wrong with the key; an empty text if it is good.
 */
async function checkService() {
  try {
    const health = await getHealth();
    role = health.role;
    showForRole();
    const isOpen = isEnough(role);
    showHealth(stateOf(health), describeHealth(health));
    buttonById("key-button").hidden = isOpen && !getKey();
    buttonById("key-button").textContent = t(isOpen ? "header.key_held" : "header.key");
    return describeKey(health);
  } catch {
    showHealth("gone", t("header.gone"));
    return t("error.server_gone");
  }
}

/** @param {string | null} held */
const isEnough = (held) => held !== null && (!needed.length || needed.includes(held));

/** Show what is of use to the role of this page: links, and buttons. */
function showForRole() {
  if (role === null) return;
  for (const element of document.querySelectorAll("[data-roles]")) {
    const roles = element.getAttribute("data-roles")?.split(" ") ?? [];
    element.toggleAttribute("hidden", !roles.includes(role));
  }
}

/** @param {Api.Health} health */
function stateOf({ status, role: held }) {
  if (!isEnough(held)) return "key";
  return status === "degraded" ? "degraded" : "ok";
}

/** @param {Api.Health} health */
function describeHealth({ key, role: held, version = "", reasons = [] }) {
  if (isEnough(held)) return describeTrouble(version, reasons);
  if (held) return t("header.role_needed");
  return t(key === "missing" ? "header.key_needed" : "header.key_wrong");
}

/**
 * Say that all is well, or what hinders the service.
 * @param {string} version
 * @param {{ code: string }[]} reasons
 */
function describeTrouble(version, reasons) {
  if (!reasons.length) return t("header.ok", { version });
  const trouble = reasons.map(({ code }) => t(`trouble.${code}`));
  return `${t("header.degraded")}: ${trouble.join(", ")}`;
}

/**
 * Say what is wrong with the key, or nothing.
 * @param {Api.Health} health
 */
function describeKey({ key, role: held }) {
  if (isEnough(held)) return "";
  if (held) return t("key.role", { role: held, needed: needed[0] ?? "" });
  return t(key === "revoked" ? "key.revoked" : "key.wrong");
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
  const before = getKey();
  setKey(input.value.trim());
  const wrong = await checkService();
  problem.hidden = !wrong;
  problem.textContent = wrong;
  if (!wrong) closeDialog();
  else setKey(before);
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
document.addEventListener("health-changed", checkIfVisible);
setInterval(checkIfVisible, CHECK_EVERY_MS);
// On a phone the pages of the console are more than fit beside each other
const current = document.querySelector(".console-nav [aria-current]");
current?.scrollIntoView({ block: "nearest", inline: "center" });
checkService();
