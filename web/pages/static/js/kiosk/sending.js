// Sends a clip and waits for the answer; tells the service when the answer was wrong.
import { byId } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { formatPercent } from "../shared/probability.js";
import { identify, rejectMatch } from "../shared/service.js";
import { t } from "../shared/texts.js";
import { fail, receiveAnswer, rejectName, startSending } from "./machine.js";
import { announce, loadLateViews } from "./stage-view.js";

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
    const challenge = kiosk.state.challenge?.challenge_id;
    const answering = identify({ media: clip, challenge }, showProgress);
    const [answer] = await Promise.all([answering, loadLateViews()]);
    kiosk.apply(receiveAnswer, answer);
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
 * Take the wrong name off the screen, and tell the service that it was wrong.
 * @param {Kiosk} kiosk
 */
export async function rejectAnswer(kiosk) {
  const { answer } = kiosk.state;
  if (!answer?.fused.match) return;
  kiosk.apply(rejectName);
  try {
    await rejectMatch(answer.request_id, answer.fused.match);
    showFeedback(t("kiosk.feedback_saved"));
  } catch (error) {
    asApiError(error); // the service is gone, or keeps no answers to correct
    showFeedback(t("kiosk.feedback_refused"));
  }
}

/** @param {string} text */
function showFeedback(text) {
  byId("feedback").textContent = text;
  byId("feedback").hidden = false;
}
