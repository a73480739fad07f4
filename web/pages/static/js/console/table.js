// A table of records. On a phone each row becomes a card, by the labels of its cells.
import { create } from "../shared/dom.js";
import { t } from "../shared/texts.js";

/**
 * A column: what its head says, and what its cell shows of a record. What people wrote, such as
 * names, is broken anywhere where it is long, and takes no room from the other columns.
 * @template T
 * @typedef {{ label: string, show: (record: T) => Node | string, isWritten?: boolean }} Column
 */

/**
 * Fill a place with a table, or say that there is nothing.
 * @template T
 * @param {HTMLElement} place
 * @param {Column<T>[]} columns
 * @param {T[]} records
 * @param {string} [nothing] what is said without records
 */
export function showTable(place, columns, records, nothing = t("list.none")) {
  const content = records.length
    ? createTable(columns, records)
    : create("p", { className: "soft", textContent: nothing });
  place.replaceChildren(content);
}

/**
 * @template T
 * @param {Column<T>[]} columns
 * @param {T[]} records
 */
function createTable(columns, records) {
  const heads = columns.map(({ label }) =>
    create("th", { scope: "col", textContent: label }),
  );
  return create(
    "table",
    { className: "records" },
    create("thead", {}, create("tr", {}, ...heads)),
    create("tbody", {}, ...records.map((record) => createRow(columns, record))),
  );
}

/**
 * @template T
 * @param {Column<T>[]} columns
 * @param {T} record
 */
function createRow(columns, record) {
  const cells = columns.map(({ label, show, isWritten }) => {
    const cell = create("td", {}, show(record));
    cell.classList.toggle("written", isWritten ?? false);
    cell.dataset.label = label;
    return cell;
  });
  return create("tr", {}, ...cells);
}

/**
 * Create a small button of a row.
 * @param {string} textContent
 * @param {() => unknown} action
 * @param {string} [kind] more classes
 */
export function createButton(textContent, action, kind = "") {
  const className = `small ${kind}`.trim();
  const button = create("button", { type: "button", className, textContent });
  button.addEventListener("click", action);
  return button;
}

/**
 * Put buttons beside each other.
 * @param {Node[]} buttons
 */
export const createActions = (...buttons) =>
  create("div", { className: "actions" }, ...buttons);
