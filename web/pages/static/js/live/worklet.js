// Runs in the audio thread: hands the microphone's samples on as PCM16, in blocks.
const BLOCK = 2048;

class Pcm16 extends AudioWorkletProcessor {
  block = new Int16Array(BLOCK);
  count = 0;

  /** @param {Float32Array[][]} inputs the first channel of the first input is heard */
  process(inputs) {
    for (const sample of inputs[0]?.[0] ?? []) {
      const bounded = Math.max(-1, Math.min(1, sample));
      this.block[this.count] = Math.round(32767 * bounded);
      this.count += 1;
      if (this.count === BLOCK) this.hand();
    }
    return true;
  }

  hand() {
    this.port.postMessage(this.block.buffer, [this.block.buffer]);
    this.block = new Int16Array(BLOCK);
    this.count = 0;
  }
}

registerProcessor("pcm16", Pcm16);
