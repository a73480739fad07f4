// Camera and microphone: opening them, saying why that fails, recording a clip of some seconds, and how loud it is.

export const RECORD_S = 3;
const VIDEO = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 }, facingMode: "user" };
// What loudspeakers and rooms add is taken out, but the level is left alone: automatic gain would raise the noise of a pause.
const AUDIO = { channelCount: 1, echoCancellation: true, noiseSuppression: false, autoGainControl: false };
const KINDS = { // VP8 first: it costs the least time to encode
  both: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"],
  video: ["video/webm;codecs=vp8", "video/webm", "video/mp4"],
  audio: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"],
};
const SLICE_MS = 200; // the recording is handed over as it grows, so that little is left to do when it ends
const PATIENCE_MS = 4000;
const BITS = { videoBitsPerSecond: 1_500_000, audioBitsPerSecond: 64_000 };

/** `reason`: insecure, unsupported, refused, missing (neither camera nor microphone), taken (by another program)
 * or silent (nothing was recorded). */
export class DeviceError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** Camera and microphone, or the one of them that is there. Raises DeviceError. */
export async function openDevices() {
  if (!window.isSecureContext) throw new DeviceError("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) throw new DeviceError("unsupported");
  let failure;
  for (const wanted of [{ video: VIDEO, audio: AUDIO }, { video: VIDEO }, { audio: AUDIO }]) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      return { stream, hasVideo: stream.getVideoTracks().length > 0, hasAudio: stream.getAudioTracks().length > 0 };
    } catch (error) {
      failure ??= error;
      if (error.name === "NotAllowedError" || error.name === "SecurityError") break;
    }
  }
  throw new DeviceError(reasonOf(failure.name));
}

function reasonOf(name) {
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  return name === "NotReadableError" || name === "AbortError" ? "taken" : "missing";
}

export const closeDevices = (devices) => devices?.stream.getTracks().forEach((track) => track.stop());

/** Records for RECORD_S and calls `onTick(remaining seconds)` at every frame. Answers with the clip; null once `signal` aborts. */
export async function record({ stream, hasVideo, hasAudio }, onTick, signal) {
  const kinds = KINDS[hasVideo && hasAudio ? "both" : hasVideo ? "video" : "audio"];
  const mimeType = kinds.find((kind) => MediaRecorder.isTypeSupported(kind));
  const recorder = new MediaRecorder(stream, { mimeType, ...BITS });
  const parts = [];
  const ended = new Promise((resolve, reject) => {
    recorder.onstop = resolve;
    recorder.onerror = () => reject(new DeviceError("taken"));
  });
  const begun = new Promise((resolve) => {
    recorder.ondataavailable = (event) => {
      if (!event.data.size) return;
      parts.push(event.data);
      resolve();
    };
  });
  recorder.start(SLICE_MS);
  await clock(RECORD_S, onTick, signal);
  if (!signal?.aborted) await Promise.race([begun, pause(PATIENCE_MS)]); // a busy machine may not have encoded anything yet
  if (recorder.state !== "inactive") recorder.stop();
  await ended;
  if (signal?.aborted) return null;
  if (!parts.length) throw new DeviceError("silent");
  return new Blob(parts, { type: recorder.mimeType || mimeType });
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Calls `onTick` with what is left of `seconds` until nothing is, or `signal` aborts. */
export function clock(seconds, onTick, signal) {
  const end = performance.now() + seconds * 1000;
  return new Promise((resolve) => {
    const step = () => {
      const left = Math.max(0, (end - performance.now()) / 1000);
      onTick(left);
      if (left > 0 && !signal?.aborted) setTimeout(step, Math.min(50, left * 1000));
      else resolve();
    };
    step();
  });
}

/** Follows the loudness of a stream: `onLevel` gets 0 (silence) to 1 (full scale) some twenty times a second. Answers with an end. */
export function followLevel(stream, onLevel) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    if (context.state === "suspended") context.resume();
    analyser.getFloatTimeDomainData(samples);
    const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
    onLevel(Math.min(1, Math.max(0, (20 * Math.log10(rms + 1e-6) + 60) / 54))); // -60 dBFS to -6 dBFS
  }, 50);
  return () => { clearInterval(timer); context.close(); };
}
