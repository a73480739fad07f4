// Two clips, or a clip and a person of the gallery: are they one person?
import { call, hintText, upload } from "./api.js";
import { MODALITIES, showBars, showLines } from "./bars.js";
import { recordClip } from "./recorder-dialog.js";
import { figure, percent, sureness, t } from "./texts.js";
import { drawWaveform, loudness } from "./waveform.js";

const FIND_AFTER_MS = 200;
const $ = (id) => document.getElementById(id);

/** One of the two clips: its file, its sound, and the part of the page that shows them. */
class Side {
  constructor(id, changed) {
    this.root = $(id);
    this.file = this.sound = this.speech = null;
    this.changed = changed;
    this.find(".record").addEventListener("click", async () => this.take(await recordClip()));
    this.find("input[type=file]").addEventListener("change", (event) => {
      this.take(event.target.files[0]);
      event.target.value = "";
    });
    new ResizeObserver(() => this.draw()).observe(this.find(".wave"));
  }

  find = (selector) => this.root.querySelector(selector);

  async take(file) {
    if (!file) return;
    this.file = file;
    this.sound = this.speech = null;
    this.showMedia();
    this.find(".compared").hidden = true;
    this.changed();
    this.sound = await loudness(file);
    this.find(".wave").hidden = !this.sound;
    this.find(".no-wave").hidden = Boolean(this.sound);
    this.draw();
  }

  showMedia() {
    const [video, image] = [this.find("video"), this.find(".preview img")];
    for (const one of [video, image]) if (one.src) URL.revokeObjectURL(one.src);
    const isImage = this.file.type.startsWith("image/");
    image.hidden = !isImage;
    video.hidden = isImage;
    (isImage ? image : video).src = URL.createObjectURL(this.file);
    image.alt = this.file.name;
    video.setAttribute("aria-label", this.file.name);
    this.find(".empty").hidden = true;
  }

  draw() {
    if (this.sound && this.find(".wave").clientWidth) drawWaveform(this.find(".wave"), this.sound, this.speech);
  }

  /** What the service compared: faces in base64, and stretches of speech. */
  showCompared(side) {
    this.find(".compared").hidden = !side;
    if (!side) return;
    this.speech = side.speech_s;
    this.draw();
    this.find(".faces").replaceChildren(...side.faces.map((data, i) => faceImage(data, i)));
    this.find(".faces-text").textContent = side.faces_used ? t("verify.faces", { n: side.faces_used }) : t("verify.no_faces");
  }
}

function faceImage(data, i) {
  const image = new Image();
  image.onload = () => URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], { type: "image/webp" }));
  image.alt = t("verify.face_alt", { n: i + 1 });
  return image;
}

const first = new Side("first", changed);
const second = new Side("second", changed);
let person = null; // of the gallery, when compared with one
let busy = false;

const againstPerson = () => document.querySelector("[name=against]:checked").value === "person";
const isComplete = () => Boolean(first.file && (againstPerson() ? person : second.file));

function changed() {
  $("compare").setAttribute("aria-disabled", String(busy || !isComplete()));
  $("verify-status").textContent = busy ? t("kiosk.comparing") : isComplete() ? "" : t(againstPerson() ? "verify.wanted_person" : "verify.wanted");
}

function chooseKind() {
  second.find(".clip").hidden = againstPerson();
  second.find(".person").hidden = !againstPerson();
  second.find(".compared").hidden = true;
  if (againstPerson()) findPeople();
  changed();
}

// ---- a person of the gallery
let found = [];
let timer = 0;

async function findPeople() {
  try {
    found = (await call("GET", `/v1/people?limit=20&search=${encodeURIComponent($("find").value.trim())}`)).people;
  } catch (error) {
    $("found-person").textContent = error.text;
    return;
  }
  $("found").replaceChildren(...found.map((one) => new Option(one.name, one.person_id)));
  choosePerson();
}

function choosePerson() {
  const text = $("find").value.trim().toLowerCase();
  const exact = found.filter((one) => [one.person_id, one.name].some((name) => name.toLowerCase() === text));
  person = exact.length === 1 ? exact[0] : found.length === 1 && text ? found[0] : null;
  $("found-person").textContent = person ? t("verify.chosen", { name: person.name, id: person.person_id })
    : text ? t("verify.fitting", { n: found.length }) : "";
  changed();
}

// ---- the comparison
async function compare() {
  if (busy || !isComplete()) return;
  busy = true;
  $("verify-problem").hidden = $("result").hidden = true;
  $("verify-sent").hidden = false;
  changed();
  const fields = { media: first.file, show: true, ...(againstPerson() ? { person_id: person.person_id } : { reference: second.file }) };
  try {
    show(await upload("/v1/verify", fields, (share) => { if (share < 1) $("verify-sent").value = share; else $("verify-sent").removeAttribute("value"); }));
  } catch (error) {
    $("verify-problem").textContent = [error.text, ...(error.details?.hints ?? []).map(hintText)].join(" ");
    $("verify-problem").hidden = false;
  } finally {
    busy = false;
    $("verify-sent").hidden = true;
    changed();
  }
}

function show(answer) {
  const { outcome, probability } = answer.fused;
  $("result-title").textContent = t(`verify.${outcome}`);
  $("result-sure").textContent = outcome === "same" ? t("answer.certainty", { words: sureness(probability), percent: percent(probability) }) : "";
  $("result-title").dataset.same = outcome === "same";
  showLines($("result-hints"), answer.hints.map(hintText));
  showBars($("result-bars"), answer);
  $("figures").replaceChildren(...MODALITIES.map((modality) => row(modality, answer[modality])));
  $("fmr").textContent = t("verify.fmr", { percent: figure(100 * answer.fmr, answer.fmr < 0.01 ? 2 : 0) });
  first.showCompared(answer.compared.media);
  second.showCompared(answer.compared.reference);
  $("result").hidden = false;
  $("result").focus({ preventScroll: true });
  $("result").scrollIntoView({ block: "nearest" });
}

function row(modality, verdict) {
  const line = document.createElement("tr");
  const number = (value) => (value === null ? "–" : figure(value, 3));
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = t(`by.${modality}`);
  line.append(head);
  const cells = [t(`verdict.${verdict.outcome}`), number(verdict.score), number(verdict.threshold), verdict.probability === null ? "–" : percent(verdict.probability)];
  cells.forEach((text, i) => {
    const cell = line.insertCell();
    cell.textContent = text;
    if (i) cell.className = "number";
  });
  return line;
}

for (const input of document.querySelectorAll("[name=against]")) input.addEventListener("change", chooseKind);
$("find").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(findPeople, FIND_AFTER_MS); });
$("compare").addEventListener("click", compare);
chooseKind();
