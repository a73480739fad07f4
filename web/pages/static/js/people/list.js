// The list of people, page by page.
import { buttonById, byId, find } from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { formatMoment } from "../shared/format.js";
import { LatestTurn } from "../shared/latest-turn.js";
import { listPeople } from "../shared/people-search.js";
import { t } from "../shared/texts.js";
import { createRow } from "./row.js";

const PAGE = 20;
const LONG_S = 90;
export const CHECK_AGAIN_MS = 2000;

/** Orders that begin with the latest. */
const LATEST_FIRST = new Set(["created_at", "last_seen_at"]);

/** @param {string} id */
const chosenIn = (id) => find(document, `#${id}`, HTMLSelectElement).value;

export class PeopleList {
  #offset = 0;
  #turns = new LatestTurn();

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => string} getSearch
   * @param {(person: Api.Person) => void} onOpen
   * @param {import("./selection.js").Selection} selection
   */
  constructor(getSearch, onOpen, selection) {
    this.getSearch = getSearch;
    this.onOpen = onOpen;
    this.selection = selection;
    for (const id of ["kind", "sort"]) {
      byId(id).addEventListener("change", () => this.#turnPage(-this.#offset));
    }
    buttonById("previous").addEventListener("click", () => this.#turnPage(-PAGE));
    buttonById("next").addEventListener("click", () => this.#turnPage(PAGE));
  }

  async load() {
    const isLatest = this.#turns.begin();
    const search = this.getSearch();
    try {
      const kind = chosenIn("kind");
      const sort = chosenIn("sort");
      const descending = LATEST_FIRST.has(sort);
      const part = { limit: PAGE, offset: this.#offset };
      const answer = await listPeople({ search, kind, sort, descending, ...part });
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
  #show({ people, total, check }, search) {
    this.#showCheck(check);
    const isPastEnd = !people.length && this.#offset > 0;
    if (isPastEnd) {
      this.#turnPage(-PAGE);
      return;
    }
    showCount(total, search);
    byId("table").hidden = !people.length;
    byId("rows").replaceChildren(
      ...people.map((person) =>
        createRow(person, this.onOpen, this.selection.createBox(person)),
      ),
    );
    this.#showPaging(people.length, total);
  }

  /**
   * Say when suspects were looked for, and load again while they are.
   * @param {Api.SuspectCheck | null} check
   */
  #showCheck(check) {
    clearTimeout(this.#timer);
    byId("checked").hidden = !check;
    if (!check) return;
    byId("checked").textContent = describeCheck(check);
    if (check.is_checking) this.#timer = setTimeout(() => this.load(), CHECK_AGAIN_MS);
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

/** @param {Api.SuspectCheck} check */
function describeCheck({ checked_at, people, total, is_checking, remaining_s }) {
  const at = formatMoment(checked_at, "–");
  const sentences = checked_at ? [t("people.checked", { at, n: people, total })] : [];
  if (is_checking) sentences.push(t("people.checking"));
  if (remaining_s) sentences.push(describeRest(remaining_s));
  return sentences.join(" ");
}

/** @param {number} remaining_s */
function describeRest(remaining_s) {
  return remaining_s < LONG_S
    ? t("people.rest_s", { n: Math.ceil(remaining_s) })
    : t("people.rest_min", { n: Math.ceil(remaining_s / 60) });
}

/**
 * Say how many people there are, and what to do if there is nobody.
 * @param {number} total
 * @param {string} search
 */
function showCount(total, search) {
  byId("list-problem").hidden = true;
  const kind = chosenIn("kind");
  const isPart = Boolean(search) || kind !== "all";
  byId("count").textContent = t(isPart ? "people.fitting" : "people.count", {
    n: total,
  });
  byId("empty").hidden = total > 0;
  byId("empty-title").textContent = t(isPart ? "people.none_fit" : "people.none");
  byId("empty-text").textContent = t(describeEmpty(search, kind));
  byId("map").hidden = !total && !isPart;
}

/**
 * @param {string} search
 * @param {string} kind
 */
function describeEmpty(search, kind) {
  if (kind !== "all") return "people.none_kind_text";
  return search ? "people.none_fit_text" : "people.none_text";
}

/** @param {string} text */
function showProblem(text) {
  byId("list-problem").textContent = text;
  byId("list-problem").hidden = false;
  for (const id of ["table", "paging", "empty"]) byId(id).hidden = true;
  byId("count").textContent = "";
}
