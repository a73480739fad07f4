// A colour for each voice. Neighbours in the order of their coming differ most.

const GOLDEN_ANGLE = 137.5;

/** @type {Map<string, number>} */
const numbers = new Map();

/**
 * Choose the colour of a speaker; that of edges for nobody.
 * @param {string} speaker
 */
export function colourOf(speaker) {
  if (!speaker) return "var(--edge)";
  const number = numbers.get(speaker) ?? numbers.size;
  numbers.set(speaker, number);
  return `hsl(${(210 + number * GOLDEN_ANGLE) % 360}deg 65% 50%)`;
}

/**
 * Let a speaker of another name have the same colour.
 * @param {string} before
 * @param {string} after
 */
export function keepColour(before, after) {
  const number = numbers.get(before);
  if (number !== undefined && !numbers.has(after)) numbers.set(after, number);
}
