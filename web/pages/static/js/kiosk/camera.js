// Camera and microphone of the kiosk: opening them, showing them, losing them.
import { DeviceError, closeDevices, openDevices } from "../shared/devices.js";
import { saysDigits } from "../shared/digits.js";
import { byId } from "../shared/dom.js";
import { followLevel } from "../shared/level.js";
import { t } from "../shared/texts.js";
import { loseDevices, refuseDevices, useDevices } from "./machine.js";

/** @import { Devices } from "../shared/devices.js" */
/** @import { Kiosk } from "./kiosk.js" */
/** @import { KioskState } from "./machine.js" */

export class Camera {
  #view = byId("view", HTMLVideoElement);
  #endLevel = () => {};

  /** @param {Kiosk} kiosk */
  constructor(kiosk) {
    this.kiosk = kiosk;
    kiosk.listen((state, previous) => this.#follow(state, previous));
  }

  /** Open what there is, in place of what was open. */
  async open() {
    const { devices, stage } = this.kiosk.state;
    closeDevices(devices);
    try {
      this.kiosk.apply(useDevices, await openDevices(), stage);
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      this.kiosk.apply(refuseDevices, error, stage);
    }
  }

  close() {
    closeDevices(this.kiosk.state.devices);
  }

  /** Open camera and microphone if the page may use them without asking. */
  async openIfGranted() {
    const names = /** @type {PermissionName[]} */ (["camera", "microphone"]);
    const permissions = await Promise.all(names.map(queryPermission));
    if (permissions.every((permission) => permission === "granted")) await this.open();
  }

  /**
   * @param {KioskState} state
   * @param {KioskState} previous
   */
  #follow(state, previous) {
    if (state.devices !== previous.devices) this.#connect(state.devices);
    if (state.stage === "ready") this.#view.play().catch(() => {});
    const isRecorded = previous.stage === "recording" && state.stage === "sending";
    if (isRecorded) this.#view.pause();
  }

  /** @param {Devices | null} devices */
  #connect(devices) {
    this.#endLevel();
    this.#endLevel = () => {};
    showDevices(devices);
    if (!devices) return;
    const { stream, hasAudio } = devices;
    this.#view.srcObject = stream;
    for (const track of stream.getTracks()) {
      track.addEventListener("ended", () => this.#lose(devices));
    }
    if (hasAudio) this.#endLevel = followLevel(stream, byId("level"));
  }

  /** @param {Devices} devices */
  #lose(devices) {
    if (this.kiosk.state.devices !== devices) return; // the other track ended first
    closeDevices(devices);
    this.kiosk.apply(loseDevices, new DeviceError("missing"));
  }
}

/** @param {PermissionName} name */
async function queryPermission(name) {
  try {
    return (await navigator.permissions.query({ name })).state;
  } catch {
    return null; // a browser that has no such permission to ask for
  }
}

/** @param {boolean} hasVideo */
function describeMissing(hasVideo) {
  if (!hasVideo) return "kiosk.no_camera";
  return saysDigits() ? "kiosk.no_microphone_digits" : "kiosk.no_microphone";
}

/**
 * Show which devices there are, and say what to do with them.
 * @param {Devices | null} devices
 */
export function showDevices(devices) {
  const hasVideo = Boolean(devices?.hasVideo);
  const hasAudio = Boolean(devices?.hasAudio);
  byId("main").dataset.picture = String(hasVideo);
  byId("main").dataset.sound = String(hasAudio);
  byId("one-device").hidden = hasVideo === hasAudio;
  if (!devices) return;
  byId("one-device").textContent = t(describeMissing(hasVideo));
  byId("ready-title").textContent = t(hasVideo ? "kiosk.ready" : "kiosk.ready_voice");
  byId("ready-about").textContent = t(
    hasVideo ? "kiosk.ready_about" : "kiosk.ready_voice_about",
  );
}
