// The dialog that enrols a stranger from what the voice says in the recording.
import { buttonById, byId, inputById, withButtonsDisabled } from "../shared/dom.js";
import { asApiError, duplicateOf } from "../shared/errors.js";
import { showError } from "../shared/notice.js";
import { enrolPerson } from "../shared/service.js";
import { nameSpeaker } from "../shared/speakers.js";
import { t } from "../shared/texts.js";

/** @import { Voice } from "./transcript.js" */

/** @typedef {{ voice: Voice, file: File, turns: [number, number][] }} Asked */

export class NamingDialog {
  #dialog = byId("naming", HTMLDialogElement);

  /** @type {Asked | null} */
  #asked = null;

  /** @param {(speaker: string, person: Api.PersonRef) => void} onNamed */
  constructor(onNamed) {
    this.onNamed = onNamed;
    byId("naming-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enrol();
    });
    buttonById("naming-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {Asked} asked */
  open(asked) {
    this.#asked = asked;
    byId("naming-form", HTMLFormElement).reset();
    byId("naming-problem").hidden = true;
    const name = nameSpeaker(asked.voice.label);
    byId("naming-title").textContent = t("transcribe.who", { name });
    this.#dialog.showModal();
    inputById("naming-name").focus();
  }

  async #enrol() {
    const asked = this.#asked;
    const name = inputById("naming-name").value.trim();
    if (!asked) return;
    if (!name) this.#refuse(t("enrol.missing_name"));
    else if (!inputById("naming-consent").checked) {
      this.#refuse(t("enrol.missing_consent"));
    } else await withButtonsDisabled("#naming button", () => this.#send(asked, name));
  }

  /**
   * @param {Asked} asked
   * @param {string} name
   */
  async #send({ voice, file, turns }, name) {
    const consent = t("transcribe.consent");
    try {
      const { person } = await enrolPerson({ name, consent }, { media: file, turns });
      this.#dialog.close();
      this.onNamed(voice.label, person);
    } catch (error) {
      const duplicate = duplicateOf(asApiError(error));
      if (!duplicate) showError("naming-problem", error);
      else this.#refuse(t("enrol.duplicate_text", { name: duplicate.name }));
    }
  }

  /** @param {string} text */
  #refuse(text) {
    byId("naming-problem").textContent = text;
    byId("naming-problem").hidden = false;
  }
}
