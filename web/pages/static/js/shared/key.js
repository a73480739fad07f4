// The API key. It lives in sessionStorage, so it is gone with the tab.

const ITEM = "duet.key";

/** Get the key, or an empty text if there is none. */
export const getKey = () => sessionStorage.getItem(ITEM) ?? "";

/**
 * Keep a key until the tab is closed. An empty key is forgotten.
 * @param {string} key
 */
export function setKey(key) {
  if (key) sessionStorage.setItem(ITEM, key);
  else sessionStorage.removeItem(ITEM);
}

/**
 * Headers that carry the key, if there is one.
 * @returns {Record<string, string>}
 */
export function keyHeaders() {
  const key = getKey();
  return key ? { "X-API-Key": key } : {};
}
