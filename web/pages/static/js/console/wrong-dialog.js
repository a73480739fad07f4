// The dialog of "that is not her": who was it, another person or nobody known?
import { buttonById, byId, withButtonsDisabled } from "../shared/dom.js";
import { showError } from "../shared/notice.js";
import { t } from "../shared/texts.js";
import { PersonField } from "./person-field.js";
import { correctVisit } from "./visitors.js";

export class WrongDialog {
  #dialog = byId("wrong", HTMLDialogElement);
  #actual = new PersonField("actual", "actual-options");

  /** @type {Api.Visit | null} */
  #visit = null;

  /** @param {() => void} onCorrected */
  constructor(onCorrected) {
    this.onCorrected = onCorrected;
    byId("wrong-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(() => this.#sendPerson());
    });
    buttonById("nobody").addEventListener("click", () =>
      this.#act(() => this.#send(null)),
    );
    buttonById("wrong-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {Api.Visit} visit */
  open(visit) {
    this.#visit = visit;
    this.#actual.fill("");
    byId("wrong-problem").hidden = true;
    const isNamed = visit.name !== null;
    byId("wrong-title").textContent = isNamed
      ? t("visits.not_person", { name: visit.name ?? "" })
      : t("visits.known_person");
    buttonById("nobody").hidden = !isNamed;
    this.#dialog.showModal();
  }

  /** @param {() => Promise<void>} action */
  async #act(action) {
    try {
      await withButtonsDisabled("#wrong button", action);
    } catch (error) {
      showError("wrong-problem", error);
    }
  }

  async #sendPerson() {
    const person = await this.#actual.find();
    if (person) return this.#send(person.person_id);
    byId("wrong-problem").textContent = t("visits.person_unclear");
    byId("wrong-problem").hidden = false;
  }

  /** @param {string | null} personId */
  async #send(personId) {
    if (!this.#visit) return;
    await correctVisit(this.#visit, personId);
    this.#dialog.close();
    this.onCorrected();
  }
}
