// The dialog of "this is ...": an unknown visitor becomes a person, after consent.
import { confirmAction } from "../shared/confirm.js";
import { buttonById, byId, inputById, withButtonsDisabled } from "../shared/dom.js";
import { asApiError, isForceable } from "../shared/errors.js";
import { showError } from "../shared/notice.js";
import { t } from "../shared/texts.js";
import { PersonField } from "./person-field.js";
import { enrolStranger } from "./visitors.js";

/** @typedef {{ name: string } | { person_id: string }} Whom */

export class NamingDialog {
  #dialog = byId("naming", HTMLDialogElement);
  #person = new PersonField("naming-name", "naming-options");

  /** @type {Api.Stranger | null} */
  #stranger = null;

  /** @param {() => void} onNamed */
  constructor(onNamed) {
    this.onNamed = onNamed;
    byId("naming-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(() => this.#enrolNew());
    });
    buttonById("naming-known").addEventListener("click", () =>
      this.#act(() => this.#enrolKnown()),
    );
    buttonById("naming-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {Api.Stranger} stranger */
  open(stranger) {
    this.#stranger = stranger;
    byId("naming-form", HTMLFormElement).reset();
    byId("naming-problem").hidden = true;
    this.#dialog.showModal();
    inputById("naming-name").focus();
  }

  /** @param {() => Promise<void>} action */
  async #act(action) {
    if (!inputById("naming-consent").checked) {
      this.#refuse(t("strangers.missing_consent"));
      return;
    }
    try {
      await withButtonsDisabled("#naming button", action);
    } catch (error) {
      showError("naming-problem", error);
    }
  }

  async #enrolNew() {
    const name = this.#person.text;
    if (!name) this.#refuse(t("strangers.missing_name"));
    else if (await this.#isSomebodyNew()) await this.#send({ name });
  }

  /** Whether nobody is typed who is enrolled, or the operator says it is somebody else. */
  async #isSomebodyNew() {
    const [same] = await this.#person.findAll();
    if (!same) return true;
    return confirmAction(
      t("strangers.namesake", { name: same.name }),
      t("strangers.new"),
    );
  }

  async #enrolKnown() {
    const person = await this.#person.find();
    if (person) await this.#send({ person_id: person.person_id });
    else this.#refuse(t("strangers.person_unclear"));
  }

  /**
   * Enrol, and once more by force if the operator passes over a refusal.
   * @param {Whom} whom
   */
  async #send(whom) {
    if (!this.#stranger) return;
    const facts = { ...whom, consent: t("strangers.consent") };
    try {
      await enrolStranger(this.#stranger, facts);
    } catch (error) {
      const refusal = asApiError(error);
      if (!isForceable(refusal)) throw refusal;
      if (!(await confirmAction(refusal.message, t("strangers.force")))) throw refusal;
      await enrolStranger(this.#stranger, { ...facts, force: true });
    }
    this.#dialog.close();
    this.onNamed();
  }

  /** @param {string} text */
  #refuse(text) {
    byId("naming-problem").textContent = text;
    byId("naming-problem").hidden = false;
  }
}
