// Entries that look like one person: merge them, or say that they are two people.
import { confirmAction } from "../shared/confirm.js";
import { byId, create, withButtonsDisabled } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { LatestTurn } from "../shared/latest-turn.js";
import { formatPercent } from "../shared/probability.js";
import { t } from "../shared/texts.js";
import { CHECK_AGAIN_MS } from "./list.js";
import { findDuplicates, markDistinct, mergePeople } from "./service.js";

export class DuplicatesView {
  #turns = new LatestTurn();

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => string} getSearch
   * @param {() => void} onChange called when two entries were merged
   */
  constructor(getSearch, onChange) {
    this.getSearch = getSearch;
    this.onChange = onChange;
  }

  async refresh() {
    const isLatest = this.#turns.begin();
    clearTimeout(this.#timer);
    try {
      const { pairs, check } = await findDuplicates({ search: this.getSearch() });
      if (!isLatest()) return;
      this.#show(pairs);
      if (check.is_checking)
        this.#timer = setTimeout(() => this.refresh(), CHECK_AGAIN_MS);
    } catch (error) {
      asApiError(error); // the list above says what is wrong
      if (isLatest()) this.#show([]);
    }
  }

  /** @param {Api.DuplicatePair[]} pairs */
  #show(pairs) {
    byId("duplicates").hidden = !pairs.length;
    byId("duplicates-problem").hidden = true;
    byId("duplicate-pairs").replaceChildren(
      ...pairs.map((pair) => this.#createLine(pair)),
    );
  }

  /** @param {Api.DuplicatePair} pair */
  #createLine({ people: [one, other], probability }) {
    const line = create("li", { className: "actions" });
    const text = t("duplicates.pair", {
      one: `${one.name} (${one.person_id})`,
      other: `${other.name} (${other.person_id})`,
      percent: formatPercent(probability),
    });
    line.append(
      create("span", { textContent: text, className: "grow" }),
      this.#createButton(t("people.merge_go"), () => this.#merge(one, other)),
      this.#createButton(t("duplicates.distinct"), () => markDistinct(one, other)),
    );
    return line;
  }

  /**
   * @param {string} textContent
   * @param {() => Promise<unknown>} action
   */
  #createButton(textContent, action) {
    const button = create("button", { type: "button", textContent });
    button.addEventListener("click", () => this.#act(action));
    return button;
  }

  /** @param {() => Promise<unknown>} action */
  async #act(action) {
    await withButtonsDisabled("#duplicates button", async () => {
      try {
        await action();
        await this.refresh();
      } catch (error) {
        byId("duplicates-problem").textContent = asApiError(error).message;
        byId("duplicates-problem").hidden = false;
      }
    });
  }

  /**
   * @param {Api.PersonRef} one
   * @param {Api.PersonRef} other
   */
  async #merge(one, other) {
    const question = t("people.merge_sure", { other: other.name, name: one.name });
    if (!(await confirmAction(question, t("people.merge_go")))) return;
    await mergePeople(one, other);
    this.onChange();
  }
}
