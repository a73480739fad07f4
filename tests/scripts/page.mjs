// What scripts of the pages find in a browser and Node lacks: the page's language, the
// files of its texts, and a storage for the key. Everything else is the real thing.
import { readFile } from "node:fs/promises";

const PAGES = new URL("../../web/pages/", import.meta.url);
const fetchFromNetwork = globalThis.fetch;

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

const FILES = ["common", "kiosk", "verify", "people", "transcribe"];

globalThis.document = {
  documentElement: { lang: "en", dataset: { texts: FILES.join(" ") } },
};
globalThis.sessionStorage = new Storage();
globalThis.fetch = async (url, options) =>
  String(url).startsWith("/static/")
    ? new Response(await readFile(new URL(`.${url}`, PAGES)))
    : fetchFromNetwork(url, options);

/** Texts in English, as the page reads them. */
export const EN = Object.assign({}, ...(await Promise.all(FILES.map(readTexts))));

async function readTexts(name) {
  return JSON.parse(
    await readFile(new URL(`static/i18n/en/${name}.json`, PAGES), "utf-8"),
  );
}
