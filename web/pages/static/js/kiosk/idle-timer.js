// Takes what is shown about a person off the screen when nobody does anything.
import { isLingering, reset } from "./machine.js";

/** @import { Kiosk } from "./kiosk.js" */

const IDLE_MS = 60_000;

export class IdleTimer {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Kiosk} kiosk */
  constructor(kiosk) {
    this.kiosk = kiosk;
    kiosk.listen(() => this.restart());
  }

  restart() {
    clearTimeout(this.#timer);
    if (!isLingering(this.kiosk.state)) return;
    this.#timer = setTimeout(() => this.kiosk.apply(reset), IDLE_MS);
  }
}
