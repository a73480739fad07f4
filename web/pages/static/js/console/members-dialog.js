// The dialog of one group: who is in it, and who is put into it or taken out.
import { buttonById, byId } from "../shared/dom.js";
import { showError } from "../shared/notice.js";
import { t } from "../shared/texts.js";
import { addMember, readGroup, removeMember } from "./groups.js";
import { PersonField } from "./person-field.js";
import { createButton, showTable } from "./table.js";

/** @typedef {{ id: string, name: string }} Member */

/** @param {Member} member */
const describeMember = ({ id, name }) => (id === name ? id : `${name} (${id})`);

export class MembersDialog {
  #dialog = byId("members", HTMLDialogElement);
  #person = new PersonField("member", "member-options");
  #groupId = "";

  /** @type {import("./table.js").Column<Member>[]} */
  #columns = [
    { label: t("groups.person"), show: describeMember, isWritten: true },
    {
      label: t("list.act"),
      show: ({ id }) => createButton(t("groups.take_out"), () => this.#remove(id)),
    },
  ];

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    byId("member-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(() => this.#add());
    });
    buttonById("members-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {Api.Group} group */
  open({ group_id, name }) {
    this.#groupId = group_id;
    this.#person.fill("");
    byId("people").replaceChildren();
    byId("members-title").textContent = name;
    this.#dialog.showModal();
    return this.#act(async () => {});
  }

  /** @param {() => Promise<unknown>} action */
  async #act(action) {
    byId("members-problem").hidden = true;
    try {
      await action();
      const { members, names } = await readGroup(this.#groupId);
      const people = members.map((id, i) => ({ id, name: names[i] ?? id }));
      showTable(byId("people"), this.#columns, people, t("groups.nobody"));
    } catch (error) {
      showError("members-problem", error);
    }
  }

  async #add() {
    const person = await this.#person.find();
    if (!person) return this.#refuse(t("groups.person_unclear"));
    await addMember(this.#groupId, person.person_id);
    this.#person.fill("");
    this.onChange();
  }

  /** @param {string} text */
  #refuse(text) {
    byId("members-problem").textContent = text;
    byId("members-problem").hidden = false;
  }

  /** @param {string} personId */
  #remove(personId) {
    return this.#act(async () => {
      await removeMember(this.#groupId, personId);
      this.onChange();
    });
  }
}
