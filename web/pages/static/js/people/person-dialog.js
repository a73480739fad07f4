// The dialog of one person: name, facts, templates, one more clip, merge, delete.
import { createAvatar } from "../shared/avatar.js";
import { ClipField } from "../shared/clip-field.js";
import { confirmAction } from "../shared/confirm.js";
import { buttonById, byId, create, inputById } from "../shared/dom.js";
import { asApiError, describeHint, isForceable } from "../shared/errors.js";
import { formatMoment } from "../shared/format.js";
import { at } from "../shared/root.js";
import { addClip, deletePerson } from "../shared/service.js";
import { t } from "../shared/texts.js";
import { findOther, suggestOthers } from "./merge.js";
import { describeRefusal } from "./refusal.js";
import * as service from "./service.js";
import { createTemplateLine } from "./template-line.js";

/** @import { ClipFields } from "../shared/service.js" */

const NONE = "–";

export class PersonDialog {
  #dialog = byId("person-dialog", HTMLDialogElement);
  #clip = new ClipField("add-clip", {
    onTake: () => this.#act(() => this.#addClip()),
  });

  /** @type {Api.Person | null} */
  #person = null;

  /** @param {() => void} onChange called with every change of the person */
  constructor(onChange) {
    this.onChange = onChange;
    const suggest = () => suggestOthers(this.#shown);
    inputById("merge-with").addEventListener("input", suggest);
    inputById("merge-with").addEventListener("focus", suggest);
    buttonById("delete").addEventListener("click", () => this.#delete());
    this.#onSubmit("rename-form", () => this.#rename());
    this.#onSubmit("merge-form", () => this.#merge());
  }

  /** @param {Api.Person} person */
  async open(person) {
    showStatus("");
    this.#clip.forget();
    inputById("merge-with").value = "";
    byId("templates").replaceChildren();
    this.#person = null;
    this.#show(person);
    this.#dialog.showModal();
    byId("person-name").focus();
    await this.#act(() => this.#refresh());
  }

  /** The person whom the dialog is open for. */
  get #shown() {
    if (this.#person) return this.#person;
    throw new TypeError("The dialog was not opened for anybody.");
  }

  /**
   * @param {string} id
   * @param {() => Promise<void>} action
   */
  #onSubmit(id, action) {
    byId(id).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(action);
    });
  }

  /**
   * Do something with the person. An error of the service is shown.
   * @param {() => Promise<void>} action
   */
  async #act(action) {
    showStatus("");
    try {
      await action();
    } catch (error) {
      showProblem(describeRefusal(asApiError(error)));
    }
  }

  /** @param {Api.Person} person */
  #show(person) {
    const field = inputById("rename");
    // A name that is being typed is left alone by an answer that comes late.
    const isTyped = this.#person !== null && field.value !== this.#person.name;
    this.#person = person;
    if (!isTyped) field.value = person.name;
    const avatar = createAvatar(person, "avatar large-avatar");
    avatar.id = "person-avatar";
    byId("person-avatar").replaceWith(avatar);
    byId("person-name").textContent = person.name;
    byId("person-id").textContent = person.person_id;
    byId("facts").replaceChildren(...createFacts(person));
    const id = encodeURIComponent(person.person_id);
    byId("person-visits", HTMLAnchorElement).href = at(`/console/visits?person=${id}`);
  }

  async #refresh() {
    this.#show(await service.getPerson(this.#shown));
    const { templates } = await service.listTemplates(this.#shown);
    byId("no-templates").hidden = templates.length > 0;
    const lines = templates.map((template) =>
      createTemplateLine(template, () =>
        this.#act(() => this.#removeTemplate(template)),
      ),
    );
    byId("templates").replaceChildren(...lines);
  }

  /** @param {Api.Template} template */
  async #removeTemplate(template) {
    await service.deleteTemplate(this.#shown, template);
    await this.#refresh();
    this.onChange();
  }

  async #addClip() {
    const clip = this.#clip.fields;
    if (!clip) return;
    try {
      const { hints } = await this.#sendClip(clip);
      await this.#refresh();
      showStatus([t("people.added"), ...hints.map(describeHint)].join(" "));
      this.onChange();
    } finally {
      this.#clip.forget();
    }
  }

  /**
   * Send a clip, and once more by force if the operator passes over a refusal.
   * @param {ClipFields} clip
   */
  async #sendClip(clip) {
    const follow = (/** @type {number} */ share) => this.#clip.showProgress(share);
    try {
      return await addClip(this.#shown, clip, follow);
    } catch (error) {
      const refusal = asApiError(error);
      if (!isForceable(refusal)) throw refusal;
      if (!(await confirmAction(refusal.message, t("people.force")))) throw refusal;
      return addClip(this.#shown, { ...clip, force: true }, follow);
    }
  }

  async #rename() {
    const name = inputById("rename").value.trim();
    this.#show(await service.renamePerson(this.#shown, name));
    showStatus(t("people.renamed"));
    this.onChange();
  }

  async #merge() {
    const { name } = this.#shown;
    const other = await findOther(this.#shown);
    if (!other) {
      showProblem(t("people.merge_unclear"));
      return;
    }
    const question = t("people.merge_sure", { other: other.name, name });
    if (!(await confirmAction(question, t("people.merge_go")))) return;
    this.#show(await service.mergePeople(this.#shown, other));
    await this.#refresh();
    showStatus(t("people.merged"));
    this.onChange();
  }

  async #delete() {
    const question = t("people.delete_sure", { name: this.#shown.name });
    if (!(await confirmAction(question, t("people.delete")))) return;
    await this.#act(async () => {
      await deletePerson(this.#shown);
      this.#dialog.close();
      this.onChange();
    });
  }
}

/** @param {Api.Person} person */
function createFacts(person) {
  const facts = {
    "people.created": formatMoment(person.created_at, NONE),
    "people.last_seen": formatMoment(person.last_seen_at, t("people.never")),
    "people.consent": person.consent || NONE,
    "people.expires": formatMoment(person.expires_at, t("people.no_end")),
  };
  return Object.entries(facts).flatMap(([key, textContent]) => [
    create("dt", { textContent: t(key) }),
    create("dd", { textContent }),
  ]);
}

/** @param {string} text */
function showStatus(text) {
  byId("person-problem").hidden = true;
  byId("person-problem").textContent = "";
  byId("person-status").textContent = text;
}

/** @param {string} text */
function showProblem(text) {
  byId("person-problem").hidden = false;
  byId("person-problem").textContent = text;
  byId("person-status").textContent = "";
}
