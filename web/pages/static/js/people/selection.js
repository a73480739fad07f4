// Several people at once: delete, keep for some days, export, merge.
import { confirmAction } from "../shared/confirm.js";
import {
  buttonById,
  byId,
  create,
  inputById,
  withButtonsDisabled,
} from "../shared/dom.js";
import { asApiError } from "../shared/errors.js";
import { formatList } from "../shared/format.js";
import { deletePerson } from "../shared/service.js";
import { t } from "../shared/texts.js";
import * as service from "./service.js";

const MOST_NAMED = 5;
const MOST_DAYS = 36500;

export class Selection {
  /** @type {Map<string, Api.Person>} */
  #chosen = new Map();

  /** @param {() => void} onChange called when people were changed */
  constructor(onChange) {
    this.onChange = onChange;
    inputById("select-page").addEventListener("change", () => this.#choosePage());
    buttonById("unselect").addEventListener("click", () => this.clear());
    buttonById("delete-many").addEventListener("click", () => this.#delete());
    buttonById("merge-many").addEventListener("click", () => this.#merge());
    buttonById("export-many").addEventListener("click", () => this.#export());
    byId("selection").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#keep();
    });
  }

  /**
   * Create the box that chooses a person.
   * @param {Api.Person} person
   */
  createBox(person) {
    const { person_id, name } = person;
    const checked = this.#chosen.has(person_id);
    const box = create("input", { type: "checkbox", className: "pick", checked });
    box.setAttribute("aria-label", t("people.select", { name }));
    box.addEventListener("change", () => {
      if (box.checked) this.#chosen.set(person_id, person);
      else this.#chosen.delete(person_id);
      this.#show();
    });
    return box;
  }

  clear() {
    this.#chosen.clear();
    for (const box of this.#boxes()) box.checked = false;
    this.#show();
  }

  /** @returns {HTMLInputElement[]} */
  #boxes() {
    return [...document.querySelectorAll("#rows .pick")].filter(
      (box) => box instanceof HTMLInputElement,
    );
  }

  #choosePage() {
    const isChosen = inputById("select-page").checked;
    for (const box of this.#boxes()) if (box.checked !== isChosen) box.click();
  }

  #show() {
    const n = this.#chosen.size;
    byId("selection").hidden = !n;
    byId("selected").textContent = t("people.selected", { n });
    buttonById("merge-many").disabled = n < 2;
    inputById("select-page").checked =
      n > 0 && this.#boxes().every((box) => box.checked);
  }

  async #delete() {
    const people = [...this.#chosen.values()];
    const question = t("people.delete_many", { n: people.length });
    const asked = `${question} ${nameThem(people)}`;
    if (!(await confirmAction(asked, t("people.delete")))) return;
    await this.#doToEach(people, deletePerson);
  }

  async #keep() {
    const text = inputById("days").value.trim();
    const days = text ? Number(text) : null;
    if (days !== null && !(Number.isInteger(days) && days >= 1 && days <= MOST_DAYS)) {
      byId("acted").textContent = t("people.days_wrong");
      return;
    }
    const facts = { n: this.#chosen.size, days: days ?? "" };
    const question = t("people.keep_many", facts);
    if (days !== null && !(await confirmAction(question, t("people.keep_go")))) return;
    await this.#doToEach([...this.#chosen.values()], (person) =>
      service.setRetention(person, days),
    );
  }

  async #merge() {
    const [first, ...others] = this.#chosen.values();
    if (!first || !others.length) return;
    const facts = { n: others.length, name: `${first.name} (${first.person_id})` };
    const question = `${t("people.merge_many", facts)} ${nameThem(others)}`;
    if (!(await confirmAction(question, t("people.merge_go")))) return;
    await this.#doToEach(others, (other) => service.mergePeople(first, other));
  }

  async #export() {
    const chosen = [...this.#chosen.values()];
    /** @type {unknown[]} */
    const exported = [];
    await this.#doToEach(chosen, async (person) => {
      exported.push(await service.exportPerson(person));
    });
    // They are still there, and may be deleted next
    for (const person of chosen) this.#chosen.set(person.person_id, person);
    this.#show();
    if (!exported.length) return;
    const blob = new Blob([JSON.stringify(exported)], { type: "application/json" });
    const href = URL.createObjectURL(blob);
    create("a", { href, download: "duet-people.json" }).click();
    URL.revokeObjectURL(href);
  }

  /**
   * Do something to one person after the other. Whoever it fails for stays chosen.
   * @param {Api.Person[]} people
   * @param {(person: Api.Person) => Promise<unknown>} action
   */
  async #doToEach(people, action) {
    /** @type {string[]} */
    const reasons = [];
    await withButtonsDisabled("#selection button", async () => {
      for (const [n, person] of people.entries()) {
        byId("acted").textContent = t("people.acting", { n, of: people.length });
        try {
          await action(person);
          this.#chosen.delete(person.person_id);
        } catch (error) {
          reasons.push(asApiError(error).message);
        }
      }
    });
    if (!reasons.length) this.#chosen.clear();
    sayDone(people.length - reasons.length, reasons);
    this.#show();
    this.onChange();
  }
}

/**
 * Say who is meant, by the first few names.
 * @param {Api.Person[]} people
 */
function nameThem(people) {
  const first = people.slice(0, MOST_NAMED);
  const names = first.map(({ name, person_id }) =>
    name === person_id ? name : `${name} (${person_id})`,
  );
  const more = people.length - first.length;
  return t(more ? "people.these_more" : "people.these", {
    names: formatList(names, { more: more > 0 }),
    n: more,
  });
}

/**
 * @param {number} n
 * @param {string[]} reasons
 */
function sayDone(n, reasons) {
  const [why = ""] = reasons;
  byId("acted").textContent = reasons.length
    ? t("people.acted_part", { n, failed: reasons.length, why })
    : t("people.acted", { n });
}
