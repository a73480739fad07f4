// A question before something that cannot be undone, in a dialog of its own.
import { buttonById, byId } from "./dom.js";

const dialog = byId("confirm", HTMLDialogElement);

/**
 * Ask a question. Resolves to whether the answer was yes.
 * @param {string} question
 * @param {string} yes label of the button that says yes
 * @returns {Promise<boolean>}
 */
export function confirmAction(question, yes) {
  byId("confirm-text").textContent = question;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => {
    const close = () => resolve(dialog.returnValue === "yes");
    dialog.addEventListener("close", close, { once: true });
  });
}

buttonById("confirm-yes").addEventListener("click", () => dialog.close("yes"));
buttonById("confirm-no").addEventListener("click", () => dialog.close("no"));
