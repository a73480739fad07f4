// Keeps answers in step with questions that overtake each other.

/** Only the answer to the latest question counts. */
export class LatestTurn {
  #turn = 0;

  /** Begin a turn. Returns a check whether it is still the latest. */
  begin() {
    this.#turn += 1;
    const turn = this.#turn;
    return () => turn === this.#turn;
  }
}
