// Waiting.

const TICK_MS = 50;

/**
 * Wait for some milliseconds.
 * @param {number} ms
 */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Call `onTick` with the remaining seconds until none remain or `signal` aborts.
 * @param {number} seconds
 * @param {(left: number) => void} onTick
 * @param {AbortSignal} signal
 */
export async function countDown(seconds, onTick, signal) {
  const endMs = performance.now() + seconds * 1000;
  let leftMs = seconds * 1000;
  while (leftMs > 0 && !signal.aborted) {
    onTick(leftMs / 1000);
    await pause(Math.min(TICK_MS, leftMs));
    leftMs = endMs - performance.now();
  }
  if (!signal.aborted) onTick(0);
}
