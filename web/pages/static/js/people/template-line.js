// A line about one template of a person.
import { create } from "../shared/dom.js";
import { formatMoment } from "../shared/format.js";
import { t } from "../shared/texts.js";
import { formatShare } from "./format.js";

/**
 * Create the line of a template.
 * @param {Api.Template} template
 * @param {() => void} onRemove
 */
export function createTemplateLine({ modality, quality, created_at }, onRemove) {
  const kind = t(`by.${modality}`);
  const at = formatMoment(created_at, "");
  const remove = create("button", {
    type: "button",
    className: "quiet small",
    textContent: t("people.remove"),
  });
  remove.setAttribute("aria-label", t("people.remove_which", { kind, at }));
  remove.addEventListener("click", onRemove);
  return create(
    "li",
    {},
    create("strong", { textContent: kind }),
    create("span", {
      textContent: t("people.quality_of", { percent: formatShare(quality) }),
    }),
    create("span", { textContent: at }),
    remove,
  );
}
