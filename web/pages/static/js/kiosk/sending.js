// Sends a clip and waits for the answer; tells the service when the answer was wrong.
import { buttonById, byId } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { formatPercent } from "../shared/format.js";
import { identify, rejectMatch } from "../shared/service.js";
import { t } from "../shared/texts.js";
import { fail, receiveAnswer, startSending } from "./machine.js";
import { announce } from "./stage-view.js";

/** @import { Kiosk } from "./kiosk.js" */

/**
 * Send a clip and show who is in it.
 * @param {Kiosk} kiosk
 * @param {Blob} clip
 */
export async function sendClip(kiosk, clip) {
  kiosk.apply(startSending, clip);
  showProgress(0);
  try {
    kiosk.apply(receiveAnswer, await identify(clip, showProgress));
    performance.mark("answered"); // bench.kiosk measures up to here
  } catch (error) {
    kiosk.apply(fail, asApiError(error));
  }
}

/** @param {number} share from 0 to 1 */
function showProgress(share) {
  const isSent = share >= 1;
  const bar = byId("sent", HTMLProgressElement);
  if (isSent) bar.removeAttribute("value");
  else bar.value = share;
  byId("sending-text").textContent = isSent
    ? t("kiosk.comparing")
    : t("kiosk.sending", { percent: formatPercent(share) });
  if (isSent) announce(t("kiosk.comparing"));
}

/**
 * Tell the service that the answer named the wrong person.
 * @param {Kiosk} kiosk
 */
export async function rejectAnswer({ state: { answer } }) {
  if (!answer?.fused.match) return;
  const button = buttonById("not-me");
  button.disabled = true;
  try {
    await rejectMatch(answer.request_id, answer.fused.match);
    showFeedback(t("kiosk.feedback_saved"));
    byId("enrol").hidden = false;
  } catch (error) {
    const { status, message } = asApiError(error);
    const isRefused = status === 404; // the service keeps no answers to correct
    showFeedback(isRefused ? t("kiosk.feedback_refused") : message);
    button.disabled = isRefused;
  }
}

/** @param {string} text */
function showFeedback(text) {
  byId("feedback").textContent = text;
  byId("feedback").hidden = false;
}
