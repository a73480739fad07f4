// The texts of the page's language: the same file that the server filled the page with (web/pages/pages.py).
export const language = document.documentElement.lang || "en";
const texts = await (await fetch(`/static/i18n/${language}.json`)).json();

const FROM_THE_RIGHT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]/u; // Hebrew, Arabic and their neighbours

/** A name that is written from the right keeps to itself: the sentence around it stays in order (Unicode's FSI and PDI). */
const isolated = (value) => (FROM_THE_RIGHT.test(value) ? `\u2068${value}\u2069` : value);

/** The text of `key`, with {name} replaced by values.name. A key without a text is shown as it is. */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? isolated(values[name]) : whole));
}

const SENTENCES = 4;

/** A sentence to say. */
export const sentence = () => t(`sentence.${1 + Math.floor(Math.random() * SENTENCES)}`);

/** Whether there is a text of this key. */
export const has = (key) => key in texts;

/** A whole percentage that never claims certainty: "99.9 %" at most, "< 1 %" at least. */
export function percent(probability) {
  if (probability >= 0.9995) return t("common.percent_over", { n: "99.9" });
  if (probability < 0.005) return t("common.percent_under", { n: "1" });
  return t("common.percent", { n: probability >= 0.995 ? "99" : String(Math.round(100 * probability)) });
}

/** A share as a whole percentage. */
export const share = (value) => t("common.percent", { n: String(Math.round(100 * value)) });

/** How sure, in words. */
export function sureness(probability) {
  const words = [[0.999, "sure.almost_certain"], [0.99, "sure.very"], [0.9, "sure.quite"], [0.5, "sure.likely"]];
  return t((words.find(([least]) => probability >= least) ?? [0, "sure.doubtful"])[1]);
}

/** A duration or other figure with `digits` decimals, written as in this language. */
export const figure = (value, digits = 1) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

/** A moment as this language writes it; `missing` where there is none. */
export function moment(iso, missing) {
  return iso ? new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso)) : missing;
}
