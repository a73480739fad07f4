// Records a clip of some seconds from open devices.
import { countDown, pause } from "./clock.js";
import { DeviceError } from "./devices.js";

/** @import { Devices } from "./devices.js" */

export const RECORD_S = 3;

// VP8 first: it costs the least time to encode.
const MIME_TYPES = {
  both: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"],
  video: ["video/webm;codecs=vp8", "video/webm", "video/mp4"],
  audio: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"],
};

// The recording arrives as it grows, so that little is left to do when it ends.
const SLICE_MS = 200;
const FIRST_SLICE_MS = 4000;
const BITS = { videoBitsPerSecond: 1_500_000, audioBitsPerSecond: 64_000 };

/**
 * Choose the first type that the browser records; undefined leaves it to the browser.
 * @param {{ hasVideo: boolean, hasAudio: boolean }} devices
 * @param {(type: string) => boolean} isSupported
 */
export function chooseMimeType({ hasVideo, hasAudio }, isSupported) {
  const withVideo = hasAudio ? MIME_TYPES.both : MIME_TYPES.video;
  return (hasVideo ? withVideo : MIME_TYPES.audio).find(isSupported);
}

/**
 * Record for some seconds. Returns the clip, or null once `signal` aborts.
 * Throws DeviceError.
 * @param {Devices} devices
 * @param {(left: number) => void} onTick called with the remaining seconds
 * @param {AbortSignal} signal
 * @param {number} [seconds]
 */
export async function record(devices, onTick, signal, seconds = RECORD_S) {
  const recorder = startRecorder(devices);
  const { parts, hasBegun, hasEnded } = collectParts(recorder);
  await countDown(seconds, onTick, signal);
  // A busy machine may not have encoded anything yet.
  if (!signal.aborted) await Promise.race([hasBegun, pause(FIRST_SLICE_MS)]);
  if (recorder.state !== "inactive") recorder.stop();
  await hasEnded;
  if (signal.aborted) return null;
  const [first] = parts;
  if (!first) throw new DeviceError("silent");
  return new Blob(parts, { type: recorder.mimeType || first.type });
}

/** @param {Devices} devices */
function startRecorder(devices) {
  const mimeType = chooseMimeType(devices, (type) =>
    MediaRecorder.isTypeSupported(type),
  );
  try {
    const recorder = new MediaRecorder(devices.stream, { mimeType, ...BITS });
    recorder.start(SLICE_MS);
    return recorder;
  } catch {
    throw new DeviceError("unsupported");
  }
}

/** @param {MediaRecorder} recorder */
function collectParts(recorder) {
  /** @type {Blob[]} */
  const parts = [];
  const hasBegun = new Promise((resolve) => {
    recorder.ondataavailable = ({ data }) => {
      if (!data.size) return;
      parts.push(data);
      resolve(null);
    };
  });
  const hasEnded = new Promise((resolve, reject) => {
    recorder.onstop = resolve;
    recorder.onerror = () => reject(new DeviceError("taken"));
  });
  return { parts, hasBegun, hasEnded };
}
