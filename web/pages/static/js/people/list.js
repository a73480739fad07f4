// The list of people, page by page.
import { buttonById, byId } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { LatestTurn } from "../shared/latest-turn.js";
import { listPeople } from "../shared/people-search.js";
import { t } from "../shared/texts.js";
import { createRow } from "./row.js";

const PAGE = 20;

export class PeopleList {
  #offset = 0;
  #turns = new LatestTurn();

  /**
   * @param {() => string} getSearch
   * @param {(person: Api.Person) => void} onOpen
   */
  constructor(getSearch, onOpen) {
    this.getSearch = getSearch;
    this.onOpen = onOpen;
    buttonById("previous").addEventListener("click", () => this.#turnPage(-PAGE));
    buttonById("next").addEventListener("click", () => this.#turnPage(PAGE));
  }

  async load() {
    const isLatest = this.#turns.begin();
    const search = this.getSearch();
    try {
      const query = { search, limit: PAGE, offset: this.#offset };
      const answer = await listPeople(query);
      if (isLatest()) this.#show(answer, search);
    } catch (error) {
      if (isLatest()) showProblem(asApiError(error).message);
    }
  }

  /** Go back to the first page, for the next time the list is loaded. */
  rewind() {
    this.#offset = 0;
  }

  /** @param {number} step */
  #turnPage(step) {
    this.#offset = Math.max(0, this.#offset + step);
    this.load();
  }

  /**
   * @param {Api.People} answer
   * @param {string} search
   */
  #show({ people, total }, search) {
    const isPastEnd = !people.length && this.#offset > 0;
    if (isPastEnd) {
      this.#turnPage(-PAGE);
      return;
    }
    showCount(total, search);
    byId("table").hidden = !people.length;
    byId("rows").replaceChildren(
      ...people.map((person) => createRow(person, this.onOpen)),
    );
    this.#showPaging(people.length, total);
  }

  /**
   * @param {number} count
   * @param {number} total
   */
  #showPaging(count, total) {
    const offset = this.#offset;
    byId("paging").hidden = total <= PAGE;
    buttonById("previous").disabled = offset === 0;
    buttonById("next").disabled = offset + PAGE >= total;
    byId("range").textContent = t("people.range", {
      from: offset + 1,
      to: offset + count,
      total,
    });
  }
}

/**
 * Say how many people there are, and what to do if there is nobody.
 * @param {number} total
 * @param {string} search
 */
function showCount(total, search) {
  byId("list-problem").hidden = true;
  byId("count").textContent = t(search ? "people.fitting" : "people.count", {
    n: total,
  });
  byId("empty").hidden = total > 0;
  byId("empty-title").textContent = t(search ? "people.none_fit" : "people.none");
  byId("empty-text").textContent = t(
    search ? "people.none_fit_text" : "people.none_text",
  );
  byId("map").hidden = !total && !search;
}

/** @param {string} text */
function showProblem(text) {
  byId("list-problem").textContent = text;
  byId("list-problem").hidden = false;
  for (const id of ["table", "paging", "empty"]) byId(id).hidden = true;
  byId("count").textContent = "";
}
