// A clip's sound, decoded by the browser and drawn. Stretches that were compared are in
// the accent colour, the rest in grey.
import { getInk, scaleCanvas } from "./canvas.js";
import { formatNumber } from "./format.js";
import { t } from "./texts.js";

/**
 * `peaks`: the loudest sample of each of BARS equal stretches, 0 to 1.
 * @typedef {{ peaks: number[], durationS: number }} Sound
 */

/** @typedef {[start: number, end: number][]} Stretches in seconds */

const BARS = 120;

/**
 * Decode the sound of a file; null if the browser cannot.
 * @param {Blob} file
 * @returns {Promise<Sound | null>}
 */
export async function decodeSound(file) {
  const context = new OfflineAudioContext(1, 1, 16_000);
  try {
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    return { peaks: peaksOf(sound.getChannelData(0)), durationS: sound.duration };
  } catch {
    return null;
  }
}

/**
 * Find the loudest sample of each of BARS equal stretches.
 * @param {Float32Array} samples
 */
export function peaksOf(samples) {
  const step = Math.max(1, Math.floor(samples.length / BARS));
  return Array.from({ length: BARS }, (_, i) => {
    const stretch = samples.subarray(i * step, (i + 1) * step);
    return stretch.reduce((peak, x) => Math.max(peak, Math.abs(x)), 0);
  });
}

/**
 * Draw a sound on a canvas and describe it.
 * @param {HTMLCanvasElement} canvas
 * @param {Sound} sound
 * @param {Stretches | null} speech stretches that were compared, if any were
 */
export function drawWaveform(canvas, sound, speech) {
  const ratio = scaleCanvas(canvas);
  const ink = getInk(canvas);
  ink.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const { clientWidth: width, clientHeight: height } = canvas;
  const loudest = Math.max(0.01, ...sound.peaks);
  const step = width / BARS;
  sound.peaks.forEach((peak, i) => {
    const isCompared = isWithin(speech, ((i + 0.5) / BARS) * sound.durationS);
    ink.fillStyle = style.getPropertyValue(isCompared ? "--accent" : "--edge");
    const tall = Math.max(2, (0.92 * height * peak) / loudest);
    ink.fillRect(i * step, (height - tall) / 2, Math.max(1, step * 0.6), tall);
  });
  canvas.setAttribute("aria-label", describeSound(sound, speech));
}

/**
 * @param {Stretches | null} stretches
 * @param {number} atS
 */
const isWithin = (stretches, atS) =>
  (stretches ?? []).some(([start, end]) => atS >= start && atS <= end);

/**
 * @param {Sound} sound
 * @param {Stretches | null} speech
 */
function describeSound({ durationS }, speech) {
  const n = formatNumber(durationS);
  if (!speech) return t("wave.whole", { n });
  const speechS = speech.reduce((sum, [start, end]) => sum + end - start, 0);
  return t("wave.compared", { n, speech: formatNumber(speechS) });
}
