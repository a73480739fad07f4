// Elements of the page: find them, create them, disable them while work goes on.

/**
 * @overload
 * @param {string} id
 * @returns {HTMLElement}
 */
/**
 * @template {Element} T
 * @overload
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
/**
 * Get the element with this id. Throws if the page has none of this kind.
 * @param {string} id
 * @param {new () => Element} kind
 */
export function byId(id, kind = HTMLElement) {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new TypeError(`The page has no ${kind.name} with the id ${id}.`);
}

/**
 * Get the first element below `root` that the selector names.
 * Throws if there is none of this kind.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 */
export function find(root, selector, kind) {
  const element = root.querySelector(selector);
  if (element instanceof kind) return element;
  throw new TypeError(`The page has no ${kind.name} at ${selector}.`);
}

/**
 * Get the input with this id.
 * @param {string} id
 */
export const inputById = (id) => byId(id, HTMLInputElement);

/**
 * Get the button with this id.
 * @param {string} id
 */
export const buttonById = (id) => byId(id, HTMLButtonElement);

/**
 * Get the value of the checked radio button of this name.
 * @param {string} name
 */
export const checkedValue = (name) =>
  find(document, `[name=${name}]:checked`, HTMLInputElement).value;

/**
 * Create an element with these properties and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} properties
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function create(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/**
 * Call `listener` for an event of each of these elements.
 * @param {string} selector
 * @param {string} event
 * @param {(event: Event) => void} listener
 */
export function listenAll(selector, event, listener) {
  for (const element of document.querySelectorAll(selector)) {
    element.addEventListener(event, listener);
  }
}

/**
 * Take the chosen file out of a file input, so that the same file can be chosen again.
 * @param {Event} event
 */
export function takeFile(event) {
  const input = event.target;
  if (!(input instanceof HTMLInputElement)) return null;
  const file = input.files?.[0] ?? null;
  input.value = "";
  return file;
}

/**
 * Disable these buttons until the work ends, and return what it returns.
 * @template T
 * @param {string} selector
 * @param {() => Promise<T>} work
 */
export async function withButtonsDisabled(selector, work) {
  const buttons = document.querySelectorAll(selector);
  const setDisabled = (/** @type {boolean} */ isDisabled) =>
    buttons.forEach((button) => button.toggleAttribute("disabled", isDisabled));
  setDisabled(true);
  try {
    return await work();
  } finally {
    setDisabled(false);
  }
}
