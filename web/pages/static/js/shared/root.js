// Where the service is: at the root of its host, or below a path of a proxy.

const root = document.documentElement.dataset.root ?? "";

/**
 * Address of a path of the service, such as "/v1/people", from the page's host on.
 * @param {string} path
 */
export const at = (path) => root + path;
