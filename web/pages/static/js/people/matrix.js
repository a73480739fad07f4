// The matrix of similarities: asking for it, walking through it, the pairs most alike.
import { byId, checkedValue, create, listenAll } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { formatNumber } from "../shared/format.js";
import { LatestTurn } from "../shared/latest-turn.js";
import { t } from "../shared/texts.js";
import { drawMatrix } from "./matrix-drawing.js";
import { compareGallery } from "./service.js";

/** @typedef {{ column: number, row: number }} Cell */

const MOST_PAIRS = 5;

/** @type {Record<string, Cell>} */
const STEPS = {
  ArrowRight: { column: 1, row: 0 },
  ArrowLeft: { column: -1, row: 0 },
  ArrowDown: { column: 0, row: 1 },
  ArrowUp: { column: 0, row: -1 },
};

export class MatrixView {
  #canvas = byId("cells", HTMLCanvasElement);
  #turns = new LatestTurn();

  /** @type {Api.Similarity | null} */
  #matrix = null;

  /** @type {Cell} */
  #cell = { column: 0, row: 0 };

  /** @param {() => string} getSearch */
  constructor(getSearch) {
    this.getSearch = getSearch;
    this.#listen();
  }

  /** Ask for the similarities by the modality that the map is set to. */
  async refresh() {
    const isLatest = this.#turns.begin();
    const modality = checkedValue("modality");
    try {
      const matrix = await compareGallery({ modality, search: this.getSearch() });
      if (isLatest()) this.#show(matrix, modality);
    } catch (error) {
      const { message } = asApiError(error);
      if (isLatest()) byId("matrix-status").textContent = message;
    }
  }

  #listen() {
    const draw = () => this.#draw();
    this.#canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.#canvas.addEventListener("keydown", (event) => this.#pressKey(event));
    listenAll("#map [name=modality]", "change", () => this.refresh());
    new ResizeObserver(draw).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }

  /**
   * @param {Api.Similarity} matrix
   * @param {string} modality
   */
  #show(matrix, modality) {
    const { people, threshold, total } = matrix;
    this.#matrix = matrix;
    this.#cell = { column: 0, row: 0 };
    byId("matrix").hidden = people.length < 2;
    if (people.length < 2) return;
    const by = t(`by.${modality}`);
    byId("matrix-status").textContent = t("matrix.size", {
      n: people.length,
      total,
      by,
    });
    byId("matrix-threshold").textContent = t("matrix.threshold", {
      threshold: formatNumber(threshold, 2),
    });
    byId("closest").replaceChildren(...listClosest(matrix));
    this.#draw();
  }

  #draw() {
    if (this.#matrix) drawMatrix(this.#canvas, this.#matrix);
  }

  /** @param {PointerEvent} event */
  #point({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const count = this.#matrix?.people.length ?? 0;
    this.#moveTo({
      column: Math.floor(((clientX - left) / width) * count),
      row: Math.floor(((clientY - top) / height) * count),
    });
  }

  /** @param {KeyboardEvent} event */
  #pressKey(event) {
    const step = STEPS[event.key];
    if (!step || !this.#matrix) return;
    event.preventDefault();
    const { column, row } = this.#cell;
    this.#moveTo({ column: column + step.column, row: row + step.row });
  }

  /** @param {Cell} cell */
  #moveTo({ column, row }) {
    if (!this.#matrix) return;
    const last = this.#matrix.people.length - 1;
    const limit = (/** @type {number} */ n) => Math.min(last, Math.max(0, n));
    this.#cell = { column: limit(column), row: limit(row) };
    byId("matrix-status").textContent = describeCell(this.#matrix, this.#cell);
  }
}

/**
 * @param {Api.Similarity} matrix
 * @param {Cell} cell
 */
function describeCell(matrix, { column, row }) {
  const score = matrix.scores[row]?.[column] ?? null;
  const one = matrix.people[row]?.name ?? "";
  const other = matrix.people[column]?.name ?? "";
  if (score === null) return t("matrix.single", { one });
  const text = formatNumber(score, 2);
  if (row === column) return t("matrix.own", { one, score: text });
  return t("matrix.pair", { one, other, score: text });
}

/**
 * List the pairs that are most alike, the closest first.
 * @param {Api.Similarity} matrix
 */
export function closestPairs({ scores }) {
  const pairs = scores.flatMap((line, row) =>
    line.slice(0, row).map((score, column) => ({ score: score ?? 0, row, column })),
  );
  return pairs.sort((a, b) => b.score - a.score).slice(0, MOST_PAIRS);
}

/**
 * Create a line for each of the pairs most alike.
 * @param {Api.Similarity} matrix
 */
function listClosest(matrix) {
  return closestPairs(matrix).map(({ score, row, column }) => {
    const textContent = describeCell(matrix, { column: row, row: column });
    const line = create("li", { textContent });
    line.classList.toggle("over", score >= matrix.threshold);
    return line;
  });
}
