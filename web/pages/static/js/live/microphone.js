// The microphone as PCM16, 16 kHz where the browser can.
import { DeviceError, reasonOf } from "../shared/devices.js";
import { followLevel } from "../shared/level.js";
import { at } from "../shared/root.js";

const RATE_HZ = 16000;
const AUDIO = { channelCount: 1, echoCancellation: true, noiseSuppression: false };

export class Microphone {
  /** @type {AudioContext | null} */
  context = null;
  /** @type {MediaStream | null} */
  stream = null;
  endLevel = () => {};

  /**
   * @param {HTMLElement} level bar that follows the loudness
   * @param {(sound: ArrayBuffer) => void} onSound called with each block of PCM16
   */
  constructor(level, onSound) {
    this.level = level;
    this.onSound = onSound;
  }

  /** Open the microphone and return the rate of its sound. Throws DeviceError. */
  async open() {
    if (this.context) return this.context.sampleRate;
    if (!window.isSecureContext) throw new DeviceError("insecure");
    if (!navigator.mediaDevices || !("AudioWorkletNode" in window)) {
      throw new DeviceError("unsupported");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: AUDIO });
    } catch (error) {
      throw new DeviceError(reasonOf(error));
    }
    this.context = new AudioContext({ sampleRate: RATE_HZ });
    await this.context.audioWorklet.addModule(at("/static/js/live/worklet.js"));
    const node = new AudioWorkletNode(this.context, "pcm16", { numberOfOutputs: 0 });
    node.port.onmessage = (event) => this.onSound(event.data);
    this.context.createMediaStreamSource(this.stream).connect(node);
    this.endLevel = followLevel(this.stream, this.level);
    return this.context.sampleRate;
  }

  close() {
    this.endLevel();
    this.context?.close();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.level.style.transform = "";
    this.context = null;
    this.stream = null;
  }
}
