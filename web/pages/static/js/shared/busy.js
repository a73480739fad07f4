// Waiting for a service that has too much to do, with a line on the page that says so.
import { create } from "./dom.js";
import { ApiError } from "./errors.js";
import { t } from "./texts.js";

/** How often a request is sent before the page gives up. */
const MOST_TIMES = 12;

/**
 * Send a request again and again while the service is busy.
 * @template T
 * @param {() => Promise<T>} send
 * @returns {Promise<T>}
 */
export async function sendWhenFree(send) {
  try {
    for (let times = 1; times < MOST_TIMES; times += 1) {
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== "busy") throw error;
        await wait(error.retryAfterS ?? 5);
      }
    }
    return await send();
  } finally {
    document.getElementById("busy")?.remove();
  }
}

/** @param {number} seconds */
async function wait(seconds) {
  const line = document.getElementById("busy") ?? addLine();
  line.textContent = t("wait.busy", { n: seconds });
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}

function addLine() {
  const line = create("p", { id: "busy", className: "busy", role: "status" });
  document.body.append(line);
  return line;
}
