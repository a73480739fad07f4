// The state of the kiosk in one place, and whoever wants to hear of its changes.
import { INITIAL_STATE } from "./machine.js";

/** @import { KioskState } from "./machine.js" */
/** @typedef {(state: KioskState, previous: KioskState) => void} Listener */

export class Kiosk {
  state = INITIAL_STATE;

  /** @type {Listener[]} */
  #listeners = [];

  /** @param {Listener} listener called after every change, in the order of listening */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /**
   * Take one step of the machine.
   * @template {unknown[]} A
   * @param {(state: KioskState, ...facts: A) => KioskState} step
   * @param {A} facts
   */
  apply(step, ...facts) {
    const previous = this.state;
    this.state = step(previous, ...facts);
    if (this.state === previous) return;
    for (const listener of this.#listeners) listener(this.state, previous);
  }
}
