// Drawing of the matrix: a square for every two people, darker for more alike.
// Those who could be mistaken for each other are framed.
import { getInk, scaleCanvas } from "../shared/canvas.js";

/** From this size on, in pixels of the screen, there is a gap between squares. */
const LARGE_CELL_PX = 12;

/**
 * @typedef {object} Grid
 * @property {CanvasRenderingContext2D} ink
 * @property {number} cell width of a square with its gap, in pixels of the screen
 * @property {number} gap
 * @property {number} ratio pixels of the screen for a CSS pixel
 * @property {(name: string) => string} colour
 */

/**
 * Draw the matrix over the whole canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Api.Similarity} matrix
 */
export function drawMatrix(canvas, { people, scores, threshold }) {
  if (!people.length || !canvas.clientWidth) return;
  const grid = prepareGrid(canvas, people.length);
  scores.forEach((line, row) =>
    line.forEach((score, column) => {
      drawCell(grid, row, column, score);
      const isAlike = score !== null && score >= threshold;
      if (row !== column && isAlike) drawFrame(grid, row, column);
    }),
  );
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} count
 * @returns {Grid}
 */
function prepareGrid(canvas, count) {
  const ratio = scaleCanvas(canvas);
  const cell = canvas.width / count;
  const style = getComputedStyle(canvas);
  return {
    ink: getInk(canvas),
    cell,
    gap: cell > LARGE_CELL_PX ? ratio : 0,
    ratio,
    colour: (name) => style.getPropertyValue(name),
  };
}

/**
 * @param {Grid} grid
 * @param {number} row
 * @param {number} column
 * @param {number | null} score
 */
function drawCell({ ink, cell, gap, colour }, row, column, score) {
  ink.globalAlpha = 1;
  ink.fillStyle = colour("--paper");
  ink.fillRect(column * cell, row * cell, cell, cell);
  ink.globalAlpha = score === null ? 1 : Math.max(0, Math.min(1, score));
  ink.fillStyle = colour(score === null ? "--line" : "--accent");
  ink.fillRect(column * cell, row * cell, cell - gap, cell - gap);
}

/**
 * @param {Grid} grid
 * @param {number} row
 * @param {number} column
 */
function drawFrame({ ink, cell, gap, ratio, colour }, row, column) {
  const width = Math.max(ratio, cell / 10);
  const side = cell - width - gap;
  ink.globalAlpha = 1;
  ink.strokeStyle = colour("--warn");
  ink.lineWidth = width;
  ink.strokeRect(column * cell + width / 2, row * cell + width / 2, side, side);
}
