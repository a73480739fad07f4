// The header of every page: is the service there, which version, and the API key where one is needed.
import { call, key, setKey } from "./api.js";
import { t } from "./texts.js";

const ASK_EVERY_MS = 20_000;
const $ = (id) => document.getElementById(id);
const [health, text, button, dialog, input] = ["health", "health-text", "key-button", "key-dialog", "key-input"].map($);

let role = null;

/** Whether this page may do what is for operators; false as long as the service has not said so. */
export const isAdmin = () => role === "admin";

async function ask() {
  try {
    const answer = await call("GET", "/v1/health");
    role = answer.role ?? null;
    const isOpen = "version" in answer; // the service tells its version to those who may ask it more
    show(isOpen ? "ok" : "key", isOpen ? t("header.ok", { version: answer.version }) : t("header.key_needed"));
    button.hidden = isOpen && !key();
    return isOpen;
  } catch {
    show("gone", t("header.gone"));
    return null;
  }
}

function show(state, words) {
  health.dataset.state = state;
  if (text.textContent !== words) text.textContent = words;
}

/** Opens the field for the key. */
export function askForKey() {
  $("key-problem").hidden = true;
  dialog.showModal();
  input.focus();
}

async function useKey(event) {
  event.preventDefault();
  setKey(input.value.trim());
  const isGood = await ask();
  $("key-problem").hidden = isGood === true;
  $("key-problem").textContent = t(isGood === null ? "error.server_gone" : "key.wrong");
  if (isGood) leave();
  else setKey("");
}

function leave() {
  input.value = "";
  dialog.close();
  document.dispatchEvent(new CustomEvent("key-changed"));
}

button.addEventListener("click", askForKey);
$("key-form").addEventListener("submit", useKey);
$("key-close").addEventListener("click", () => dialog.close());
$("key-forget").addEventListener("click", () => { setKey(""); leave(); ask(); });
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && ask());
setInterval(() => document.visibilityState === "visible" && ask(), ASK_EVERY_MS);
ask();
