// Entry of /console/keys: make a key, which is shown once, and revoke keys.
import { Panel } from "./console/panel.js";
import { createKey, listKeys, revokeKey } from "./console/service.js";
import { createButton, showTable } from "./console/table.js";
import { confirmAction } from "./shared/confirm.js";
import { buttonById, byId, find, inputById } from "./shared/dom.js";
import { formatMoment } from "./shared/format.js";
import { getKey, setKey } from "./shared/key.js";
import { t } from "./shared/texts.js";

const NONE = "–";

/** @type {import("./console/table.js").Column<Api.ApiKey>[]} */
const COLUMNS = [
  { label: t("keys.id"), show: (key) => key.key_id },
  { label: t("keys.role"), show: (key) => key.role },
  { label: t("keys.label"), show: (key) => key.label || NONE, isWritten: true },
  { label: t("list.made"), show: (key) => formatMoment(key.created_at, NONE) },
  { label: t("list.state"), show: describeState },
  { label: t("list.act"), show: createRevoke },
];

const panel = new Panel(listKeys, ({ keys }) => {
  byId("open").hidden = keys.length > 0;
  showTable(byId("records"), COLUMNS, keys);
});

/** @param {Api.ApiKey} key */
function describeState({ revoked_at }) {
  if (!revoked_at) return t("keys.used");
  return t("keys.revoked", { at: formatMoment(revoked_at, NONE) });
}

/** @param {Api.ApiKey} key */
function createRevoke(key) {
  if (key.revoked_at) return NONE;
  return createButton(t("keys.revoke"), () => revoke(key), "danger");
}

/** @param {Api.ApiKey} key */
async function revoke({ key_id, role, label }) {
  const facts = { id: key_id, role, label: label || NONE };
  if (!(await confirmAction(t("keys.revoke_sure", facts), t("keys.revoke")))) return;
  await panel.act(() => revokeKey(key_id));
}

const role = find(document, "#role", HTMLSelectElement);

/** @param {SubmitEvent} event */
async function create(event) {
  event.preventDefault();
  await panel.act(async () => {
    const label = inputById("label").value.trim();
    const { key } = await createKey({ role: role.value, label });
    // The first key closes the service: this page goes on with it
    if (!getKey() && role.value === "admin") setKey(key);
    showMade(key);
  });
}

/** @param {string} key an empty text hides it */
function showMade(key) {
  byId("made").hidden = !key;
  byId("copied").textContent = "";
  inputById("value").value = key;
  if (key) inputById("value").select();
}

async function copy() {
  inputById("value").select();
  await navigator.clipboard?.writeText(inputById("value").value).catch(() => {});
  byId("copied").textContent = t("keys.copied");
}

byId("new", HTMLFormElement).addEventListener("submit", create);
buttonById("copy").addEventListener("click", copy);
buttonById("hide").addEventListener("click", () => showMade(""));
panel.refresh();
