// The dialog of one person: rename, templates, one more clip, merge, delete.
import { addClip, call, hintText, personUrl } from "./api.js";
import { avatar } from "./avatar.js";
import { clipField } from "./clip-field.js";
import { moment, share, t } from "./texts.js";

const $ = (id) => document.getElementById(id);
const dialog = $("person-dialog");
let person = null;
let changed = () => {};

/** Opens the dialog of `who`; `onChange` hears of every change. */
export async function openPerson(who, onChange) {
  changed = onChange;
  tell("");
  add.forget();
  $("merge-with").value = "";
  $("templates").replaceChildren();
  person = null;
  show(who);
  dialog.showModal();
  $("person-name").focus();
  await act(refresh);
}

function show(who) {
  const isTyped = person !== null && $("rename").value !== person.name; // an answer that comes late leaves it alone
  person = who;
  const shown = avatar(person, "avatar large-avatar");
  shown.id = "person-avatar";
  $("person-avatar").replaceWith(shown);
  $("person-name").textContent = person.name;
  if (!isTyped) $("rename").value = person.name;
  $("person-id").textContent = person.person_id;
  const facts = [["people.created", moment(person.created_at, "–")], ["people.last_seen", moment(person.last_seen_at, t("people.never"))],
    ["people.consent", person.consent || "–"], ["people.expires", moment(person.expires_at, t("people.no_end"))]];
  $("facts").replaceChildren(...facts.flatMap(([key, text]) => [part("dt", t(key)), part("dd", text)]));
}

function part(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

async function refresh() {
  show(await call("GET", personUrl(person)));
  const { templates } = await call("GET", `${personUrl(person)}/templates`);
  $("no-templates").hidden = templates.length > 0;
  $("templates").replaceChildren(...templates.map(template));
}

function template(one) {
  const line = document.createElement("li");
  const remove = part("button", t("people.remove"));
  Object.assign(remove, { type: "button", className: "quiet small" });
  remove.setAttribute("aria-label", t("people.remove_which", { kind: t(`by.${one.modality}`), at: moment(one.created_at, "") }));
  remove.addEventListener("click", () => act(async () => {
    await call("DELETE", `${personUrl(person)}/templates/${encodeURIComponent(one.template_id)}`);
    await refresh();
    changed();
  }));
  const kind = part("strong", t(`by.${one.modality}`));
  line.append(kind, part("span", t("people.quality_of", { percent: share(one.quality) })), part("span", moment(one.created_at, "")), remove);
  return line;
}

function tell(text, isProblem = false) {
  $("person-problem").hidden = !isProblem;
  $("person-problem").textContent = isProblem ? text : "";
  $("person-told").textContent = isProblem ? "" : text;
}

async function act(work) {
  tell("");
  try {
    await work();
  } catch (error) {
    if (error.code === undefined) throw error;
    tell(error.code === "duplicate_person" ? t("enrol.known_text", { name: error.details.name }) : error.text, true);
  }
}

/** Asks in a dialog of its own. */
function confirmed(text, yes) {
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = yes;
  $("confirm").returnValue = "";
  $("confirm").showModal();
  $("confirm-no").focus();
  return new Promise((resolve) => $("confirm").addEventListener("close", () => resolve($("confirm").returnValue === "yes"), { once: true }));
}

const add = clipField($("add-clip"), (file) => act(async () => {
  try {
    const answer = await addClip(person, { media: file }, add.progress);
    await refresh();
    tell([t("people.added"), ...answer.hints.map(hintText)].join(" "));
    changed();
  } finally {
    add.forget();
  }
}));

async function rename(event) {
  event.preventDefault();
  await act(async () => {
    show(await call("PATCH", personUrl(person), { name: $("rename").value.trim() }));
    tell(t("people.renamed"));
    changed();
  });
}

async function merge(event) {
  event.preventDefault();
  await act(async () => {
    const text = $("merge-with").value.trim();
    const { people } = await call("GET", `/v1/people?limit=20&search=${encodeURIComponent(text)}`);
    const fits = people.filter((one) => one.person_id !== person.person_id && [one.person_id, one.name].includes(text));
    if (fits.length !== 1) return tell(t("people.merge_unclear"), true);
    if (!await confirmed(t("people.merge_sure", { other: fits[0].name, name: person.name }), t("people.merge_go"))) return undefined;
    show(await call("POST", `${personUrl(person)}/merge`, { other: fits[0].person_id }));
    await refresh();
    tell(t("people.merged"));
    return changed();
  });
}

async function suggest() {
  const found = await call("GET", `/v1/people?limit=20&search=${encodeURIComponent($("merge-with").value.trim())}`).catch(() => ({ people: [] }));
  $("merge-found").replaceChildren(...found.people.filter((one) => one.person_id !== person.person_id)
    .map((one) => new Option(one.name, one.person_id)));
}

async function remove() {
  if (!await confirmed(t("people.delete_sure", { name: person.name }), t("people.delete"))) return;
  await act(async () => {
    await call("DELETE", personUrl(person));
    dialog.close();
    changed();
  });
}

$("rename-form").addEventListener("submit", rename);
$("merge-form").addEventListener("submit", merge);
$("merge-with").addEventListener("input", suggest);
$("merge-with").addEventListener("focus", suggest);
$("delete").addEventListener("click", remove);
$("confirm-yes").addEventListener("click", () => $("confirm").close("yes"));
$("confirm-no").addEventListener("click", () => $("confirm").close("no"));
