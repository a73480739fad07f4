// Texts in the page's language. They come with the page: a script that had to ask for them
// would be late for the first click.
const root = document.documentElement;

/** Tag of the page's language, such as "en". */
export const language = root.lang || "en";

/** @type {Record<string, string>} */
const texts = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

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
