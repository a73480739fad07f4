// Waits until somebody has finished typing.

/**
 * Delay calls of `action` until there was none for `ms` milliseconds.
 * @param {() => void} action
 * @param {number} ms
 */
export function debounce(action, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
}
