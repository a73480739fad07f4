// The answer in words: who, how sure, why not, and what would help.
import { hintText } from "./api.js";
import { showBars, showLines, showName } from "./bars.js";
import { percent, sureness, t } from "./texts.js";

const $ = (id) => document.getElementById(id);

/** Why nobody is named, in one sentence. */
function whyNot({ fused, face, voice, gallery }) {
  if (fused.outcome === "conflict") return t("answer.conflict");
  if (!gallery.records.people) return t("answer.empty");
  if (face.outcome === "no_probe") return t("answer.voice_only");
  if (voice.outcome === "no_probe") return t("answer.face_only");
  return t("answer.nobody");
}

/** What would help: the service's hints, and advice where a stranger got none. */
function advice({ fused, hints, gallery }) {
  const lines = hints.map(hintText);
  if (fused.outcome === "accepted" || !gallery.records.people || lines.length) return lines;
  return [t("answer.advice")];
}

/** Fills the view of the answer with the body of POST /v1/identify. */
export function showAnswer(answer) {
  const { match, outcome, decided_by: by } = answer.fused;
  const known = outcome === "accepted";
  $("lead").textContent = t(known ? "answer.hello" : "answer.sorry");
  showName($("who"), known ? match.name : t(outcome === "conflict" ? "answer.two" : "answer.unknown"));
  $("who").dataset.known = known;
  $("sure").textContent = known
    ? t("answer.sure", { words: sureness(match.probability), percent: percent(match.probability), by: t(`recognised.${by ?? "fused"}`) })
    : whyNot(answer);
  showLines($("hints"), advice(answer));
  showBars($("bars"), answer);
  $("told").hidden = true;
  $("not-me").hidden = !known;
  $("not-me").disabled = false;
  $("enrol").hidden = known;
}
