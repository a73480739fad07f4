// The result of a comparison: in words, as bars, and as a table of figures.
import { MODALITIES, describeSilence, showBars } from "../shared/bars.js";
import { byId, create } from "../shared/dom.js";
import { describeHint } from "../shared/errors.js";
import { formatFigure, formatNumber } from "../shared/format.js";
import { showLines } from "../shared/lines.js";
import { describeSureness, formatPercent } from "../shared/probability.js";
import { t } from "../shared/texts.js";

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
  if (outcome === "rejected") return t("verify.rejected_about");
  if (outcome !== "same" || probability === null) return "";
  const certainty = t("answer.certainty", {
    words: describeSureness(probability),
    percent: formatPercent(probability),
  });
  const doubt = describeSilence(verification) || describeWeakness(verification);
  return `${certainty} ${doubt}`.trim();
}

/**
 * Say which of the two would not prove by itself what both together do.
 * @param {Api.Verification} verification
 */
function describeWeakness({ face, voice }) {
  if (voice.outcome === "different") return t("verify.weak_voice");
  return face.outcome === "different" ? t("verify.weak_face") : "";
}

/**
 * @param {Api.Modality} modality
 * @param {Api.Verdict} verdict
 */
function createRow(modality, { outcome, score, threshold, probability }) {
  // Who is the same by one of the two is not said to be the same by both
  const name = modality === "fused" ? t("verify.result") : t(`by.${modality}`);
  const head = create("th", { scope: "row", textContent: name });
  const figures = [
    formatFigure(score),
    formatFigure(threshold),
    probability === null ? formatFigure(null) : formatPercent(probability),
  ];
  return create(
    "tr",
    {},
    head,
    create("td", { textContent: t(`verdict.${outcome}`) }),
    ...figures.map((textContent) => create("td", { className: "number", textContent })),
  );
}
