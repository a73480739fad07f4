// Texts in the page's language, from the files that the server fills the page with.
import { at } from "./root.js";

const root = document.documentElement;

/** Tag of the page's language, such as "en". */
export const language = root.lang || "en";

const files = (root.dataset.texts ?? "common").split(" ");

/** @type {Record<string, string>} */
const texts = Object.assign({}, ...(await Promise.all(files.map(fetchFile))));

/** @param {string} name */
async function fetchFile(name) {
  return (await fetch(at(`/static/i18n/${language}/${name}.json`))).json();
}

// Hebrew, Arabic and their neighbours.
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]/u;

/**
 * Enclose right-to-left text in Unicode's FSI and PDI, so that the sentence around it
 * stays in order.
 * @param {string} value
 */
const isolate = (value) => (RIGHT_TO_LEFT.test(value) ? `\u2068${value}\u2069` : value);

/**
 * Look up a text and replace each {name} by `values.name`.
 * A key without a text is returned as it is.
 * @param {string} key
 * @param {Record<string, string | number>} values
 */
export function t(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name];
    return value === undefined ? placeholder : isolate(String(value));
  });
}

/**
 * Check whether there is a text for this key.
 * @param {string} key
 */
export const hasText = (key) => key in texts;
