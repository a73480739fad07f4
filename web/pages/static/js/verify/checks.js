// The checks for liveness of the first clip, as a table of figures. Operators alone see it.
import { isStaff } from "../header.js";
import { byId, create } from "../shared/dom.js";
import { formatFigure } from "../shared/format.js";
import { t } from "../shared/texts.js";

/**
 * Show what each check says; nothing where none is on.
 * @param {Api.Liveness | null} liveness
 */
export function showChecks(liveness) {
  const rows = Object.entries(liveness ?? {}).flatMap(([name, check]) =>
    check && typeof check === "object" && "score" in check
      ? [createRow(name, check)]
      : [],
  );
  byId("checks").hidden = !rows.length || !isStaff();
  byId("check-rows").replaceChildren(...rows);
}

/**
 * @param {string} name
 * @param {Api.Judgement} check
 */
const createRow = (name, { outcome, score, threshold }) =>
  create(
    "tr",
    {},
    create("th", { scope: "row", textContent: t(`check.${name}`) }),
    create("td", { textContent: t(`check.${outcome}`) }),
    ...[score, threshold].map((figure) =>
      create("td", { className: "number", textContent: formatFigure(figure) }),
    ),
  );
