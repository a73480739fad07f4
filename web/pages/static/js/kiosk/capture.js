// Counts a person in, records them, and sends the clip.
import { countDown } from "../shared/clock.js";
import { DeviceError } from "../shared/devices.js";
import { byId } from "../shared/dom.js";
import { formatNumber } from "../shared/format.js";
import { RECORD_S, record } from "../shared/recorder.js";
import { pickSentence } from "../shared/sentences.js";
import { t } from "../shared/texts.js";
import { fail, isCapturing, startCountdown, startRecording } from "./machine.js";
import { sendClip } from "./sending.js";
import { announce } from "./stage-view.js";

/** @import { Devices } from "../shared/devices.js" */
/** @import { Kiosk } from "./kiosk.js" */

const COUNTDOWN_S = 3;

export class Capture {
  #stopper = new AbortController();

  /** @param {Kiosk} kiosk */
  constructor(kiosk) {
    this.kiosk = kiosk;
    kiosk.listen((state) => {
      if (!isCapturing(state)) this.#stop();
    });
  }

  /** Record a clip and send it. Whatever leaves the two stages ends the recording. */
  async start() {
    const { devices } = this.kiosk.state;
    if (!devices) return;
    this.#stopper = new AbortController();
    const { signal } = this.#stopper;
    this.#announceSentence();
    await countDown(COUNTDOWN_S, showCount, signal);
    if (signal.aborted) return;
    await this.#record(devices, signal);
  }

  #announceSentence() {
    const sentence = pickSentence();
    byId("sentence").textContent = sentence;
    byId("speak-title").textContent = t("kiosk.get_ready");
    this.kiosk.apply(startCountdown);
    announce(`${t("kiosk.get_ready")} ${sentence}`);
  }

  /**
   * @param {Devices} devices
   * @param {AbortSignal} signal
   */
  async #record(devices, signal) {
    byId("speak-title").textContent = t("kiosk.now_say");
    this.kiosk.apply(startRecording);
    announce(t("kiosk.now"));
    try {
      const clip = await record(devices, showRemaining, signal);
      if (clip) this.#finish(clip);
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      this.kiosk.apply(fail, error);
    }
  }

  /** @param {Blob} clip */
  #finish(clip) {
    performance.mark("recorded"); // bench.kiosk measures from here
    sendClip(this.kiosk, clip);
  }

  #stop() {
    this.#stopper.abort();
    showCount(0);
  }
}

/** @param {number} left in seconds */
function showCount(left) {
  byId("count").textContent = left ? String(Math.ceil(left)) : "";
}

/** @param {number} left in seconds */
function showRemaining(left) {
  const share = left / RECORD_S;
  byId("remaining", HTMLProgressElement).value = share;
  byId("remaining-text").textContent = t("kiosk.seconds", { n: formatNumber(left) });
  byId("ring", SVGPathElement).style.strokeDashoffset = String(share);
}
