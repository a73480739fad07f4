// Files that were chosen or dropped, with their paths below the folder that was meant.
import { ApiError } from "../shared/errors.js";
import { t } from "../shared/texts.js";

/** Bytes by which the service tells what a file is. */
const HEAD_BYTES = 512;
/** As the service has it: a larger file is not read into memory. */
const MOST_TABLE_BYTES = 5_000_000;
const AT_ONCE = 50;
const TABLE = /\.(csv|tsv)$/i;

/**
 * A file, and its path below what was chosen.
 * @typedef {{ path: string, file: File }} Chosen
 */

/**
 * Take the files of an input, of a folder or of single files.
 * @param {FileList} files
 * @returns {Chosen[]}
 */
export const fromInput = (files) =>
  [...files].map((file) => ({
    file,
    path: belowFirst(file.webkitRelativePath) || file.name,
  }));

/** @param {string} path */
const belowFirst = (path) => path.split("/").slice(1).join("/");

/**
 * Take what was dropped. A single folder is what the paths begin below.
 * @param {DataTransferItemList} items
 * @returns {Promise<Chosen[]>}
 */
export async function fromDrop(items) {
  // Read before the first wait: the list is empty afterwards
  const entries = [...items]
    .map((item) => item.webkitGetAsEntry())
    .filter((one) => one !== null);
  const [only] = entries;
  const isFolder = entries.length === 1 && only?.isDirectory;
  const chosen = await Promise.all(entries.map((entry) => walk(entry, "")));
  const files = chosen.flat();
  return isFolder
    ? files.map(({ path, file }) => ({ path: belowFirst(path), file }))
    : files;
}

/**
 * @param {FileSystemEntry} entry
 * @param {string} above path of the folder
 * @returns {Promise<Chosen[]>}
 */
async function walk(entry, above) {
  const path = above + entry.name;
  if (entry instanceof FileSystemFileEntry)
    return [{ path, file: await readFile(entry) }];
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const below = await readFolder(entry.createReader());
  const files = await Promise.all(below.map((one) => walk(one, `${path}/`)));
  return files.flat();
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
const readFile = (entry) =>
  new Promise((resolve, reject) => entry.file(resolve, reject));

/**
 * A reader gives a part at a time, and an empty one at the end.
 * @param {FileSystemDirectoryReader} reader
 * @returns {Promise<FileSystemEntry[]>}
 */
async function readFolder(reader) {
  /** @type {FileSystemEntry[]} */
  const entries = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const part = await new Promise((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (!part.length) return entries;
    entries.push(...part);
  }
}

/**
 * Part the tables at the top from the clips.
 * @param {Chosen[]} chosen
 */
export function partTables(chosen) {
  const isTable = (/** @type {Chosen} */ { path }) =>
    TABLE.test(path) && !path.includes("/");
  return {
    tables: chosen.filter(isTable).map(({ file }) => file),
    clips: chosen.filter((one) => !isTable(one)),
  };
}

/**
 * Read what the service is asked with: the list of the clips, and the table if there is one.
 * @param {{ tables: File[], clips: Chosen[] }} parts
 */
export async function readParts({ tables: [table], clips }) {
  return {
    table: table ? await hold(table) : null,
    listing: await listFiles(clips),
    clips,
  };
}

/**
 * Read a table into memory. One that is edited after it was chosen cannot be sent.
 * @param {File} file
 */
async function hold(file) {
  if (file.size > MOST_TABLE_BYTES) {
    const code = "table_malformed";
    throw new ApiError({ status: 0, code, text: t(`error.${code}`) });
  }
  return new File([await file.arrayBuffer()], file.name, { type: file.type });
}

/**
 * List files for the service: path, size and first bytes of each.
 * @param {Chosen[]} chosen
 */
async function listFiles(chosen) {
  const listed = [];
  for (let start = 0; start < chosen.length; start += AT_ONCE) {
    const part = chosen.slice(start, start + AT_ONCE);
    listed.push(...(await Promise.all(part.map(describe))));
  }
  return new Blob([JSON.stringify(listed)], { type: "application/json" });
}

/**
 * Write a path as the service does, so that both name a file alike.
 * @param {string} path
 */
export const asListed = (path) =>
  path
    .normalize("NFC")
    .trim()
    .replaceAll("\\", "/")
    .split("/")
    .filter((part) => part && part !== ".")
    .join("/");

/** @param {Chosen} chosen */
async function describe({ path, file }) {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const head = btoa(String.fromCharCode(...bytes));
  return { name: asListed(path), bytes: file.size, head };
}
