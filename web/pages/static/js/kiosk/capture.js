// Counts a person in, records them, and sends the clip.
import { countDown } from "../shared/clock.js";
import { DeviceError } from "../shared/devices.js";
import { READ_S, SAY_S, drawChallenge, readAloud } from "../shared/digits.js";
import { byId, withButtonsDisabled } from "../shared/dom.js";
import { ApiError } from "../shared/errors.js";
import { formatNumber } from "../shared/format.js";
import { RECORD_S, record } from "../shared/recorder.js";
import { pickSentence } from "../shared/sentences.js";
import { t } from "../shared/texts.js";
import { showLeft, showWords } from "./digits.js";
import { fail, isCapturing, startCountdown, startRecording } from "./machine.js";
import { sendClip } from "./sending.js";
import { announce } from "./stage-view.js";

/** @import { Kiosk } from "./kiosk.js" */

const COUNTDOWN_S = 3;

class Capture {
  #stopper = new AbortController();
  #expiry = new AbortController();

  /** @param {Kiosk} kiosk */
  constructor(kiosk) {
    this.kiosk = kiosk;
    kiosk.listen((state) => {
      if (!isCapturing(state)) this.#stop();
    });
  }

  /**
   * Record a clip and send it. Whatever leaves the two stages ends the recording.
   * Throws ApiError where there are no digits to say.
   */
  async start() {
    const { devices, entries } = this.kiosk.state;
    if (!devices) return;
    const challenge = await withButtonsDisabled("#start", drawChallenge);
    if (this.kiosk.state.entries === entries) await this.#begin(challenge);
  }

  /** Read the digits aloud, and count in anew. */
  async readAloud() {
    const { challenge, stage } = this.kiosk.state;
    if (!challenge || stage !== "countdown") return;
    const signal = this.#interrupt();
    showCount(0);
    await readAloud(challenge.digits, signal);
    await this.#countIn(signal);
  }

  /** @param {Api.Challenge | null} challenge */
  async #begin(challenge) {
    const signal = this.#interrupt();
    this.#announce(challenge);
    if (challenge) this.#watchExpiry(challenge);
    await this.#countIn(signal);
  }

  /** @param {Api.Challenge | null} challenge */
  #announce(challenge) {
    const title = t(challenge ? "kiosk.digits_ready" : "kiosk.get_ready");
    showWords(challenge, pickSentence());
    byId("speak-title").textContent = title;
    this.kiosk.apply(startCountdown, challenge);
    announce(`${title} ${byId("sentence").textContent}`);
  }

  /** @param {Api.Challenge} challenge */
  async #watchExpiry({ expires_s }) {
    this.#expiry = new AbortController();
    const { signal } = this.#expiry;
    await countDown(expires_s, showLeft, signal);
    if (!signal.aborted) this.kiosk.apply(fail, tooLate());
  }

  /** @param {AbortSignal} signal */
  async #countIn(signal) {
    const { challenge } = this.kiosk.state;
    await countDown(challenge ? READ_S : COUNTDOWN_S, showCount, signal);
    if (!signal.aborted) await this.#record(signal);
  }

  /** @param {AbortSignal} signal */
  async #record(signal) {
    const { challenge, devices } = this.kiosk.state;
    if (!devices) return;
    byId("read-aloud").hidden = true;
    byId("speak-title").textContent = t(
      challenge ? "kiosk.digits_now" : "kiosk.now_say",
    );
    this.kiosk.apply(startRecording);
    announce(t("kiosk.now"));
    const seconds = challenge ? SAY_S : RECORD_S;
    const show = (/** @type {number} */ left) => showRemaining(left, seconds);
    try {
      const clip = await record(devices, show, signal, seconds);
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

  /** End what goes on, and return the signal of what follows. */
  #interrupt() {
    this.#stopper.abort();
    this.#stopper = new AbortController();
    return this.#stopper.signal;
  }

  #stop() {
    this.#stopper.abort();
    this.#expiry.abort();
    showCount(0);
  }
}

/** @type {Capture | null} */
let only = null;

/**
 * Get what records for the kiosk.
 * @param {Kiosk} kiosk
 */
export const captureOf = (kiosk) => (only ??= new Capture(kiosk));

const tooLate = () =>
  new ApiError({
    status: 0,
    code: "challenge_expired",
    text: t("error.challenge_expired"),
  });

/** @param {number} left in seconds */
function showCount(left) {
  byId("count").textContent = left ? String(Math.ceil(left)) : "";
}

/**
 * @param {number} left in seconds
 * @param {number} seconds of the whole recording
 */
function showRemaining(left, seconds) {
  const share = left / seconds;
  byId("remaining", HTMLProgressElement).value = share;
  byId("remaining-text").textContent = t("kiosk.seconds", { n: formatNumber(left) });
  byId("ring", SVGPathElement).style.strokeDashoffset = String(share);
}
