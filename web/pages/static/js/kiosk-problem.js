// What went wrong, and the way on: again, the same clip once more, a key, or a file instead.
import { hintText } from "./api.js";
import { showLines } from "./bars.js";
import { askForKey } from "./header.js";
import { t } from "./texts.js";

const $ = (id) => document.getElementById(id);
const MAY_RESEND = new Set(["server_gone", "busy", "rate_limited", "store_unavailable", "upload_timeout", "upload_broken", "internal",
  "key_required", "storage_full"]);

/** Fills the view of problems and answers with the button to begin with. `error`: an ApiError, or a DeviceError with its reason.
 * `hasClip`: there is a recording that can be sent again. */
export function showProblem(error, hasClip) {
  const { reason, code } = error;
  const resend = hasClip && MAY_RESEND.has(code);
  const needsKey = code === "key_required";
  $("problem-title").textContent = t(reason ? `device.${reason}` : titleOf(code));
  $("problem-text").textContent = reason ? t(`device.${reason}_text`) : textOf(error);
  showLines($("problem-hints"), (error.details?.hints ?? []).map(hintText));
  $("retry").textContent = t(resend ? "kiosk.again" : "device.retry");
  $("resend").hidden = !resend;
  $("give-key").hidden = !needsKey;
  return leading(needsKey ? "give-key" : resend ? "resend" : "retry");
}

/** Makes one button the one to begin with, and answers with it. */
function leading(id) {
  for (const one of ["give-key", "resend", "retry"]) $(one).classList.toggle("primary", one === id);
  return $(id);
}

/** With a key the clip can be sent. */
function keyGiven() {
  if (!$("give-key").hidden && !$("resend").hidden) leading("resend").focus();
}

function titleOf(code) {
  if (code === "server_gone") return "problem.gone";
  if (["busy", "rate_limited"].includes(code)) return "problem.busy";
  if (code === "key_required") return "problem.key";
  return code === "no_biometric" ? "problem.nothing" : "problem.other";
}

function textOf(error) {
  return error.retryAfterS ? `${error.text} ${t("problem.retry_after", { n: error.retryAfterS })}` : error.text;
}

$("give-key").addEventListener("click", askForKey);
document.addEventListener("key-changed", keyGiven);
