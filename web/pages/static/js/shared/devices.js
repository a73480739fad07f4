// Camera and microphone: opening them, and saying why that fails.

/**
 * @typedef {object} Devices
 * @property {MediaStream} stream
 * @property {boolean} hasVideo
 * @property {boolean} hasAudio
 */

/**
 * - insecure: the page does not come over HTTPS
 * - unsupported: the browser cannot record
 * - missing: there is neither camera nor microphone
 * - taken: another program uses the device
 * - silent: nothing was recorded
 * @typedef {"insecure" | "unsupported" | "refused" | "missing" | "taken"
 *   | "silent"} DeviceReason
 */

const VIDEO = {
  width: { ideal: 640 },
  height: { ideal: 480 },
  frameRate: { ideal: 25, max: 30 },
  facingMode: "user",
};

// Echoes are taken out, but the level is left alone: automatic gain would raise the
// noise of a pause.
const AUDIO = {
  channelCount: 1,
  echoCancellation: true,
  noiseSuppression: false,
  autoGainControl: false,
};

/** Both devices, or the one that is there. */
const WISHES = [{ video: VIDEO, audio: AUDIO }, { video: VIDEO }, { audio: AUDIO }];

export class DeviceError extends Error {
  /** @param {DeviceReason} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * Open camera and microphone, or the one of them that is there. Throws DeviceError.
 * @returns {Promise<Devices>}
 */
export async function openDevices() {
  if (!window.isSecureContext) throw new DeviceError("insecure");
  const isSupported = navigator.mediaDevices && "MediaRecorder" in window;
  if (!isSupported) throw new DeviceError("unsupported");
  const stream = await openStream();
  return {
    stream,
    hasVideo: stream.getVideoTracks().length > 0,
    hasAudio: stream.getAudioTracks().length > 0,
  };
}

/** Open the first wish that can be met. Otherwise the first failure is reported. */
async function openStream() {
  /** @type {DeviceReason | null} */
  let reason = null;
  for (const wish of WISHES) {
    try {
      return await navigator.mediaDevices.getUserMedia(wish);
    } catch (error) {
      const failure = reasonOf(error);
      reason ??= failure;
      if (failure === "refused") break;
    }
  }
  throw new DeviceError(reason ?? "missing");
}

/**
 * Name the reason behind an error of `getUserMedia`.
 * @param {unknown} error
 * @returns {DeviceReason}
 */
export function reasonOf(error) {
  const name = error instanceof Error ? error.name : "";
  if (["NotAllowedError", "SecurityError"].includes(name)) return "refused";
  return ["NotReadableError", "AbortError"].includes(name) ? "taken" : "missing";
}

/**
 * Stop camera and microphone.
 * @param {Devices | null} devices
 */
export function closeDevices(devices) {
  for (const track of devices?.stream.getTracks() ?? []) track.stop();
}
