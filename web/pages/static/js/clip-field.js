// A field for a clip: recorded, or chosen from the files.
import { recordClip } from "./recorder-dialog.js";
import { percent, t } from "./texts.js";

/** `root` holds a .record button, a file input and a .chosen line. `onTake(file)` hears of every clip. */
export function clipField(root, onTake = () => {}) {
  const line = root.querySelector(".chosen");
  const field = {
    file: null,
    say: (text) => { if (line) line.textContent = text; },
    forget() { field.file = null; field.say(""); },
    progress: (share) => field.say(share < 1 ? t("kiosk.sending", { percent: percent(share) }) : t("kiosk.comparing")),
  };
  const take = (file) => {
    if (!file) return;
    field.file = file;
    field.say(t("people.chosen", { name: file.name }));
    onTake(file);
  };
  root.querySelector(".record").addEventListener("click", async () => take(await recordClip()));
  root.querySelector("input[type=file]").addEventListener("change", (event) => { take(event.target.files[0]); event.target.value = ""; });
  return field;
}
