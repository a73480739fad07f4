// The result of a comparison: in words, as bars, and as a table of figures.
import { MODALITIES, describeSilence, showBars, showLines } from "../shared/bars.js";
import { byId, create } from "../shared/dom.js";
import { describeHint } from "../shared/errors.js";
import { describeSureness, formatNumber, formatPercent } from "../shared/format.js";
import { t } from "../shared/texts.js";

const NONE = "–";

/**
 * Show a result and put the focus on it.
 * @param {Api.Verification} verification
 */
export function showResult(verification) {
  const { fused, hints, fmr } = verification;
  byId("result-title").textContent = t(`verify.${fused.outcome}`);
  byId("result-title").dataset.same = String(fused.outcome === "same");
  byId("result-sure").textContent = describeCertainty(verification);
  showLines(byId("result-hints"), hints.map(describeHint));
  showBars(byId("result-bars"), verification);
  const rows = MODALITIES.map((modality) =>
    createRow(modality, verification[modality]),
  );
  byId("figures").replaceChildren(...rows);
  byId("fmr").textContent = t("verify.fmr", {
    percent: formatNumber(100 * fmr, fmr < 0.01 ? 2 : 0),
  });
  revealResult();
}

function revealResult() {
  const result = byId("result");
  result.hidden = false;
  result.focus({ preventScroll: true });
  result.scrollIntoView({ block: "nearest" });
}

/** @param {Api.Verification} verification */
export function describeCertainty(verification) {
  const { outcome, probability } = verification.fused;
  if (outcome === "conflict") return t("verify.conflict_about");
  if (outcome !== "same" || probability === null) return "";
  const certainty = t("answer.certainty", {
    words: describeSureness(probability),
    percent: formatPercent(probability),
  });
  return `${certainty} ${describeSilence(verification)}`.trim();
}

/**
 * @param {Api.Modality} modality
 * @param {Api.Verdict} verdict
 */
function createRow(modality, { outcome, score, threshold, probability }) {
  const head = create("th", { scope: "row", textContent: t(`by.${modality}`) });
  const figures = [
    formatFigure(score),
    formatFigure(threshold),
    probability === null ? NONE : formatPercent(probability),
  ];
  return create(
    "tr",
    {},
    head,
    create("td", { textContent: t(`verdict.${outcome}`) }),
    ...figures.map((textContent) => create("td", { className: "number", textContent })),
  );
}

/** @param {number | null} value */
const formatFigure = (value) => (value === null ? NONE : formatNumber(value, 3));
