// "Enrol me": a name and a consent, then the clip that was just recorded.
import { ApiError, addClip, enrolNew, hintText } from "./api.js";
import { showLines, showName } from "./bars.js";
import { isAdmin } from "./header.js";
import { t } from "./texts.js";

const $ = (id) => document.getElementById(id);

export class Enrolment {
  /** `kiosk`: show(state, view, focus), problem(error), back(), clip(). */
  constructor(kiosk) {
    this.kiosk = kiosk;
    this.duplicate = null;
    $("enrol-form").addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    $("enrol-cancel").addEventListener("click", () => kiosk.back());
    $("duplicate-cancel").addEventListener("click", () => kiosk.back());
    $("duplicate-other").addEventListener("click", () => this.submit(true));
    $("duplicate-same").addEventListener("click", () => this.addToKnown());
  }

  ask() {
    $("name").value = "";
    $("consent").checked = false;
    $("enrol-problem").hidden = true;
    this.kiosk.show("enrol", "enrol", $("name"));
  }

  async submit(force = false) {
    const name = $("name").value.trim();
    const missing = !name ? "name" : !$("consent").checked ? "consent" : null;
    if (missing) return this.refuse(missing, t(`enrol.missing_${missing}`));
    const given = { name, consent: $("consent-text").textContent };
    return this.working(async () => this.stored(await enrolNew(given, { media: this.kiosk.clip(), force })));
  }

  /** The clip is of somebody who is there: one more template for them. */
  addToKnown() {
    return this.working(async () => this.stored(await addClip(this.duplicate, { media: this.kiosk.clip() })));
  }

  async working(work) {
    const buttons = document.querySelectorAll('[data-view="enrol"] button, [data-view="duplicate"] button');
    for (const button of buttons) button.disabled = true;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "duplicate_person") this.askAbout(error.details);
      else if (error.code === "invalid_name") this.refuse("name", error.text);
      else this.kiosk.problem(error);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  refuse(field, text) {
    $("enrol-problem").textContent = text;
    $("enrol-problem").hidden = false;
    $(field).setAttribute("aria-invalid", "true");
    $(field).addEventListener("input", () => $(field).removeAttribute("aria-invalid"), { once: true });
    $(field).focus();
  }

  /** Whether it is the same person is for an operator to say: with the key of a kiosk the page sends people to one. */
  askAbout(duplicate) {
    this.duplicate = duplicate;
    $("duplicate-text").textContent = t("enrol.known_text", { name: duplicate.name });
    $("duplicate-same").textContent = t("enrol.same", { name: duplicate.name });
    $("duplicate-same").hidden = $("duplicate-other").hidden = !isAdmin();
    $("duplicate-operator").hidden = isAdmin();
    $("duplicate-cancel").textContent = t(isAdmin() ? "common.cancel" : "common.back");
    const first = $(isAdmin() ? "duplicate-same" : "duplicate-cancel");
    first.disabled = false; // a disabled button takes no focus
    this.kiosk.show("duplicate", "duplicate", first);
  }

  stored(answer) {
    const kinds = answer.templates.map((template) => template.modality);
    showName($("enrolled-who"), answer.person.name);
    $("enrolled-text").textContent = t(kinds.length > 1 ? "enrol.stored_both" : `enrol.stored_${kinds[0]}`);
    showLines($("enrolled-hints"), answer.hints.map(hintText));
    this.kiosk.show("enrolled", "enrolled", $("enrolled-done"));
  }
}
