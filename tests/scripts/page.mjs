// What scripts of the pages find in a browser and Node lacks: the page's language, its
// texts, and a storage for the key. Everything else is the real thing.
import { readFile } from "node:fs/promises";

const PAGES = new URL("../../web/pages/", import.meta.url);

class Storage {
  #items = new Map();

  getItem(name) {
    return this.#items.get(name) ?? null;
  }

  setItem(name, value) {
    this.#items.set(name, value);
  }

  removeItem(name) {
    this.#items.delete(name);
  }
}

const FILES = [
  ...["common", "console", "errors", "recorder", "speakers"],
  ...["kiosk", "verify", "people", "transcribe"],
];

/** Texts in English that scripts say. */
export const EN = Object.assign({}, ...(await Promise.all(FILES.map(readTexts))));

async function readTexts(name) {
  return JSON.parse(
    await readFile(new URL(`static/i18n/en/${name}.json`, PAGES), "utf-8"),
  );
}

globalThis.document = {
  documentElement: { lang: "en", dataset: {} },
  getElementById: (id) => (id === "texts" ? { textContent: JSON.stringify(EN) } : null),
};
globalThis.sessionStorage = new Storage();
