// Names and lists of lines in a view.
import { create } from "./dom.js";

/** Characters from which on a name is written smaller. */
const LONG_NAME = 24;

/**
 * Write a name large, or smaller if it is long.
 * @param {HTMLElement} place
 * @param {string} name
 */
export function showName(place, name) {
  place.textContent = name;
  place.dataset.long = String([...name].length > LONG_NAME);
}

/**
 * Fill `list` with lines of text. Without lines it is hidden.
 * @param {HTMLElement} list
 * @param {string[]} lines
 */
export function showLines(list, lines) {
  list.replaceChildren(...lines.map((textContent) => create("li", { textContent })));
  list.hidden = !lines.length;
}
