// A clip's sound, decoded by the browser and drawn: the stretches that were compared in the accent colour, the rest in grey.
import { figure, t } from "./texts.js";

const BARS = 120;

/** The loudest sample of each of BARS equal stretches, 0 to 1, and the length in seconds; null for what has no sound to decode. */
export async function loudness(file) {
  const context = new OfflineAudioContext(1, 1, 16_000);
  try {
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const samples = sound.getChannelData(0);
    const step = Math.max(1, Math.floor(samples.length / BARS));
    const peaks = Array.from({ length: BARS }, (_, i) => samples.subarray(i * step, (i + 1) * step).reduce((most, x) => Math.max(most, Math.abs(x)), 0));
    return { peaks, duration: sound.duration };
  } catch {
    return null;
  }
}

/** Draws a loudness on a canvas. `speech` (optional): stretches [[start, end], ...] in seconds that were compared. */
export function drawWaveform(canvas, sound, speech = null) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const ink = canvas.getContext("2d");
  ink.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const most = Math.max(0.01, ...sound.peaks);
  const step = width / BARS;
  sound.peaks.forEach((peak, i) => {
    const at = ((i + 0.5) / BARS) * sound.duration;
    const compared = speech?.some(([start, end]) => at >= start && at <= end);
    ink.fillStyle = style.getPropertyValue(compared ? "--accent" : "--edge");
    const tall = Math.max(2, (0.92 * height * peak) / most);
    ink.fillRect(i * step, (height - tall) / 2, Math.max(1, step * 0.6), tall);
  });
  canvas.setAttribute("aria-label", speech
    ? t("wave.compared", { n: figure(sound.duration), speech: figure(speech.reduce((sum, [start, end]) => sum + end - start, 0)) })
    : t("wave.whole", { n: figure(sound.duration) }));
}
