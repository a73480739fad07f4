// Entry of /console/settings: what the service runs with, and where it comes from.
import { Panel } from "./console/panel.js";
import { listSettings } from "./console/service.js";
import { showTable } from "./console/table.js";
import { byId, create, inputById } from "./shared/dom.js";
import { t } from "./shared/texts.js";

/** @type {import("./console/table.js").Column<Api.Setting>[]} */
const COLUMNS = [
  { label: t("settings.name"), show: ({ name }) => create("code", {}, name) },
  { label: t("settings.value"), show: describeValue, isWritten: true },
  { label: t("settings.source"), show: ({ source }) => t(`settings.${source}`) },
  {
    label: t("settings.meaning"),
    show: (setting) => showMeaning(describeMeaning(setting)),
  },
];

/** @type {Api.Setting[]} */
let settings = [];

const panel = new Panel(listSettings, (answer) => {
  settings = answer.settings;
  show();
});

/** @param {Api.Setting} setting */
function describeMeaning({ name }) {
  return t(`setting.${name}`);
}

/**
 * Create the meaning of a setting. What is between backticks is a command or a value.
 * @param {string} text
 */
function showMeaning(text) {
  const parts = text.split("`");
  const nodes = parts.map((part, n) => (n % 2 ? create("code", {}, part) : part));
  return create("span", {}, ...nodes);
}

/** @param {Api.Setting} setting */
function describeValue({ value, is_secret, source }) {
  if (is_secret && source !== "default") return t("settings.secret");
  return value === null ? t("settings.empty") : String(value);
}

function show() {
  const search = inputById("search").value.trim().toLowerCase();
  const isWanted = (/** @type {Api.Setting} */ setting) =>
    `${setting.name} ${describeMeaning(setting)}`.toLowerCase().includes(search) &&
    (!inputById("changed").checked || setting.source !== "default");
  const nothing = t("settings.none");
  showTable(byId("records"), COLUMNS, settings.filter(isWanted), nothing);
}

inputById("search").addEventListener("input", show);
inputById("changed").addEventListener("change", show);
panel.refresh();
