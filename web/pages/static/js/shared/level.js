// Loudness of a microphone, as a bar shows it.
const EVERY_MS = 50;
const QUIETEST_DB = -60;
const LOUDEST_DB = -6;

/**
 * Turn samples into a level from 0 (silence) to 1 (full scale).
 * @param {Float32Array} samples in [-1, 1]
 */
export function levelOf(samples) {
  const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  const db = 20 * Math.log10(Math.sqrt(power) + 1e-6);
  const level = (db - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB);
  return Math.min(1, Math.max(0, level));
}

/**
 * Let `bar` follow the loudness of a stream. Returns a function that ends it.
 * @param {MediaStream} stream
 * @param {HTMLElement} bar
 */
export function followLevel(stream, bar) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    if (context.state === "suspended") context.resume();
    analyser.getFloatTimeDomainData(samples);
    bar.style.transform = `scaleX(${levelOf(samples)})`;
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    context.close();
  };
}
