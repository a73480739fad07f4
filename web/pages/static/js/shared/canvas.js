// A canvas in the pixels of the screen.

/**
 * Size a canvas to the screen's pixels. Returns how many there are for a CSS pixel.
 * @param {HTMLCanvasElement} canvas
 */
export function scaleCanvas(canvas) {
  const ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  return ratio;
}

/**
 * Get what draws on a canvas.
 * @param {HTMLCanvasElement} canvas
 */
export function getInk(canvas) {
  const ink = canvas.getContext("2d");
  if (ink) return ink;
  throw new TypeError("This browser does not draw on a canvas.");
}
