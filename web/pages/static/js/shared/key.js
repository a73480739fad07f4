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
 * Headers that say who asks: the key, or without one the smaller role that the page asks
 * in. Visitors stand at a kiosk, and a service without keys takes everybody for its
 * operator.
 * @returns {Record<string, string>}
 */
export function keyHeaders() {
  const key = getKey();
  if (key) return { "X-API-Key": key };
  const role = document.documentElement.dataset.actsAs;
  return role ? { "X-Duet-Role": role } : {};
}
