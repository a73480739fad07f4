// What every page of the console does: load, show, act, and say what went wrong.
import { byId } from "../shared/dom.js";
import { LatestTurn } from "../shared/latest-turn.js";
import { showError } from "../shared/notice.js";

/** @template T */
export class Panel {
  #turns = new LatestTurn();

  /**
   * @param {() => Promise<T>} load
   * @param {(answer: T) => void} show
   */
  constructor(load, show) {
    this.load = load;
    this.show = show;
    document.addEventListener("key-changed", () => this.refresh());
  }

  /** Load and show, unless a later question overtakes this one. */
  async refresh() {
    const isLatest = this.#turns.begin();
    try {
      const answer = await this.load();
      if (!isLatest()) return;
      byId("problem").hidden = true;
      this.show(answer);
    } catch (error) {
      if (!isLatest()) return;
      // That nothing is there is not known
      document.querySelector("#records > p")?.remove();
      showError("problem", error);
    }
  }

  /**
   * Do something, then load again. An error of the service is shown.
   * @param {() => Promise<unknown>} action
   */
  async act(action) {
    try {
      await action();
    } catch (error) {
      showError("problem", error);
      return;
    }
    await this.refresh();
  }
}
