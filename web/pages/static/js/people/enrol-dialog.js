// The dialog that enrols somebody new.
import { ClipField } from "../shared/clip-field.js";
import { buttonById, byId, inputById, withButtonsDisabled } from "../shared/dom.js";
import { asApiError, duplicateOf, isForceable } from "../shared/errors.js";
import { addClip, enrolPerson } from "../shared/service.js";
import { t } from "../shared/texts.js";
import { describeRefusal } from "./refusal.js";

/** @import { ApiError } from "../shared/errors.js" */

export class EnrolDialog {
  #dialog = byId("enrol-dialog", HTMLDialogElement);
  #clip = new ClipField("new-clip");

  /** @type {Api.PersonRef | null} */
  #duplicate = null;

  /** @param {() => void} onChange called when somebody was enrolled */
  constructor(onChange) {
    this.onChange = onChange;
    buttonById("new").addEventListener("click", () => this.open());
    byId("enrol-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enrolNew({ force: false });
    });
    buttonById("new-other").addEventListener("click", () =>
      this.#enrolNew({ force: true }),
    );
    buttonById("new-same").addEventListener("click", () => this.#addToDuplicate());
  }

  open() {
    byId("enrol-form", HTMLFormElement).reset();
    this.#clip.forget();
    this.#showProblem("");
    this.#dialog.showModal();
    byId("new-name").focus();
  }

  /** @param {{ force: boolean }} options `force`: even if the clip matches somebody */
  async #enrolNew({ force }) {
    const clip = this.#clip.fields;
    const facts = readFacts();
    if (!facts.name) this.#showProblem(t("people.missing_name"));
    else if (!clip) this.#showProblem(t("people.missing_clip"));
    else await this.#send((follow) => enrolPerson(facts, { ...clip, force }, follow));
  }

  async #addToDuplicate() {
    const clip = this.#clip.fields;
    const duplicate = this.#duplicate;
    if (!clip || !duplicate) return;
    await this.#send((follow) => addClip(duplicate, clip, follow));
  }

  /** @param {(follow: (share: number) => void) => Promise<unknown>} send */
  async #send(send) {
    await withButtonsDisabled("#enrol-dialog button", async () => {
      try {
        await send((share) => this.#clip.showProgress(share));
        this.#dialog.close();
        this.onChange();
      } catch (error) {
        this.#showError(asApiError(error));
      }
    });
  }

  /** @param {ApiError} error */
  #showError(error) {
    this.#showProblem(describeRefusal(error), duplicateOf(error));
    if (isForceable(error)) this.#offerForce(t("people.force"));
  }

  /** @param {string} text on the button that enrols the clip all the same */
  #offerForce(text) {
    byId("new-refused").hidden = false;
    byId("new-other").textContent = text;
  }

  /**
   * @param {string} text
   * @param {Api.PersonRef | null} duplicate whom the clip matches
   */
  #showProblem(text, duplicate = null) {
    this.#duplicate = duplicate;
    byId("new-problem").textContent = text;
    byId("new-problem").hidden = !text;
    byId("new-refused").hidden = true;
    byId("new-same").hidden = !duplicate;
    const name = duplicate?.name ?? "";
    byId("new-same").textContent = t("people.add_to", { name });
    if (duplicate) this.#offerForce(t("people.two_people"));
  }
}

/**
 * Read the form. Fields that are empty are left out.
 * @returns {Api.NewPerson}
 */
function readFacts() {
  const [name, personId, consent] = ["new-name", "new-id", "new-consent"].map((id) =>
    inputById(id).value.trim(),
  );
  return {
    name: name ?? "",
    ...(personId && { person_id: personId }),
    ...(consent && { consent }),
  };
}
