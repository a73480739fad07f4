// One of the two clips: its file, its sound, and the part of the page that shows them.
import { create, find, takeFile } from "../shared/dom.js";
import { recordClip } from "../shared/recorder-dialog.js";
import { t } from "../shared/texts.js";
import { decodeSound, drawWaveform } from "../shared/waveform.js";

/** @import { Recording } from "../shared/recorder-dialog.js" */
/** @import { Sound, Stretches } from "../shared/waveform.js" */

export class Side {
  /** @type {Recording | null} */
  recording = null;

  /** @type {Sound | null} */
  #sound = null;

  /** @type {Stretches | null} */
  #speech = null;

  /**
   * @param {HTMLElement} root
   * @param {() => void} onChange called with every new clip
   * @param {{ digits?: boolean }} [options] `digits`: they are said in it where the page
   *   asks for them
   */
  constructor(root, onChange, options) {
    this.root = root;
    this.onChange = onChange;
    this.wave = find(root, ".wave", HTMLCanvasElement);
    this.compared = find(root, ".compared", HTMLElement);
    const record = find(root, ".record", HTMLButtonElement);
    record.addEventListener("click", async () => this.take(await recordClip(options)));
    const input = find(root, "input[type=file]", HTMLInputElement);
    input.addEventListener("change", (event) => {
      const file = takeFile(event);
      this.take(file && { file });
    });
    new ResizeObserver(() => this.#draw()).observe(this.wave);
  }

  /** @param {Recording | null} recording */
  async take(recording) {
    if (!recording) return;
    const { file } = recording;
    this.recording = recording;
    this.#sound = null;
    this.#speech = null;
    this.#showMedia(file);
    this.compared.hidden = true;
    this.onChange();
    this.#showSound(await decodeSound(file));
  }

  /**
   * Show what the service compared, or nothing.
   * @param {Api.ComparedSide | null} side
   */
  showCompared(side) {
    this.compared.hidden = !side;
    if (!side) return;
    this.#speech = side.speech_s;
    this.#draw();
    const count = side.faces_used;
    find(this.root, ".faces", HTMLElement).replaceChildren(
      ...side.faces.map(createFaceImage),
    );
    find(this.root, ".faces-text", HTMLElement).textContent = count
      ? t("verify.faces", { n: count })
      : t("verify.no_faces");
  }

  /** @param {File} file */
  #showMedia(file) {
    const video = find(this.root, "video", HTMLVideoElement);
    const image = find(this.root, ".preview img", HTMLImageElement);
    for (const media of [video, image]) if (media.src) URL.revokeObjectURL(media.src);
    const isImage = file.type.startsWith("image/");
    image.hidden = !isImage;
    video.hidden = isImage;
    (isImage ? image : video).src = URL.createObjectURL(file);
    image.alt = file.name;
    video.setAttribute("aria-label", file.name);
    find(this.root, ".empty", HTMLElement).hidden = true;
  }

  /** @param {Sound | null} sound */
  #showSound(sound) {
    this.#sound = sound;
    this.wave.hidden = !sound;
    find(this.root, ".no-wave", HTMLElement).hidden = Boolean(sound);
    this.#draw();
  }

  #draw() {
    if (!this.#sound || !this.wave.clientWidth) return;
    drawWaveform(this.wave, this.#sound, this.#speech);
  }
}

/**
 * @param {string} data WebP in base64
 * @param {number} index
 */
function createFaceImage(data, index) {
  const bytes = Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/webp" }));
  const image = create("img", { alt: t("verify.face_alt", { n: index + 1 }) });
  image.onload = () => URL.revokeObjectURL(url);
  image.src = url;
  return image;
}
