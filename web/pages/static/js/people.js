// The list of people: search, pages, enrolling; what is done to one person is in person.js, the pictures in map.js and matrix.js.
import { addClip, call, enrolNew } from "./api.js";
import { avatar } from "./avatar.js";
import { clipField } from "./clip-field.js";
import { openMap } from "./map.js";
import { openMatrix } from "./matrix.js";
import { openPerson } from "./person.js";
import { moment, share, t } from "./texts.js";

const PAGE = 20;
const SEARCH_AFTER_MS = 200;
const $ = (id) => document.getElementById(id);

let offset = 0;
let timer = 0;
let asked = 0; // of two answers that cross, the later question's is shown

async function load() {
  const turn = ++asked;
  const search = $("search").value.trim();
  let page;
  try {
    page = await call("GET", `/v1/people?limit=${PAGE}&offset=${offset}&search=${encodeURIComponent(search)}`);
  } catch (error) {
    if (turn === asked) showProblem(error);
    return;
  }
  if (turn !== asked) return;
  if (!page.people.length && offset) {
    offset = Math.max(0, offset - PAGE);
    load();
    return;
  }
  show(page, search);
}

function showProblem(error) {
  $("list-problem").textContent = error.text;
  $("list-problem").hidden = false;
  $("table").hidden = $("paging").hidden = $("empty").hidden = true;
  $("count").textContent = "";
}

function show({ people, total }, search) {
  $("list-problem").hidden = true;
  $("count").textContent = t(search ? "people.fitting" : "people.count", { n: total });
  $("table").hidden = !people.length;
  $("empty").hidden = Boolean(people.length);
  $("map").hidden = !total && !search;
  $("empty-title").textContent = t(search ? "people.none_fit" : "people.none");
  $("empty-text").textContent = t(search ? "people.none_fit_text" : "people.none_text");
  $("rows").replaceChildren(...people.map(row));
  $("paging").hidden = total <= PAGE;
  $("previous").disabled = !offset;
  $("next").disabled = offset + PAGE >= total;
  $("range").textContent = t("people.range", { from: offset + 1, to: offset + people.length, total });
}

function row(person) {
  const line = document.createElement("tr");
  line.dataset.person = person.person_id;
  const face = line.insertCell();
  face.append(avatar(person));
  const who = document.createElement("th");
  who.scope = "row";
  who.className = "who";
  who.textContent = person.name;
  const id = document.createElement("span");
  id.className = "id";
  id.textContent = person.person_id;
  who.append(id);
  line.append(who);
  const counts = line.insertCell();
  counts.className = "counts";
  for (const kind of ["face", "voice"]) {
    const span = document.createElement("span");
    span.textContent = t("people.templates_of", { kind: t(`by.${kind}`), n: person.templates[kind] });
    counts.append(span);
  }
  cell(line, quality(person), "optional");
  cell(line, moment(person.last_seen_at, t("people.never")), "optional");
  const open = document.createElement("button");
  open.type = "button";
  open.className = "small";
  open.textContent = t("people.open");
  open.setAttribute("aria-label", t("people.open_who", { name: person.name }));
  open.addEventListener("click", () => openPerson(person, changed));
  line.insertCell().append(open);
  return line;
}

function cell(line, text, className) {
  const made = line.insertCell();
  made.textContent = text;
  made.className = className;
}

const quality = (person) => ["face", "voice"].map((kind) => person.quality[kind]).filter((value) => value !== null)
  .map((value) => share(value)).join(" · ") || "–";

function changed() {
  load();
  map.refresh();
  matrix.refresh();
}

// ---- somebody new
const clip = clipField($("new-clip"));
let duplicate = null;

function askNew() {
  $("enrol-form").reset();
  clip.forget();
  tellNew("");
  $("enrol-dialog").showModal();
  $("new-name").focus();
}

function tellNew(text, found = null) {
  duplicate = found;
  $("new-problem").textContent = text;
  $("new-problem").hidden = !text;
  $("new-duplicate").hidden = !found;
  if (found) $("new-same").textContent = t("people.add_to", { name: found.name });
}

async function enrol(force = false) {
  const name = $("new-name").value.trim();
  const id = $("new-id").value.trim();
  if (!name) return tellNew(t("people.missing_name"));
  if (!clip.file) return tellNew(t("people.missing_clip"));
  const consent = $("new-consent").value.trim();
  const given = { name, ...(id && { person_id: id }), ...(consent && { consent }) };
  return working(() => enrolNew(given, { media: clip.file, force }, clip.progress));
}

const addToKnown = () => working(() => addClip(duplicate, { media: clip.file }, clip.progress));

async function working(work) {
  const buttons = $("enrol-dialog").querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  try {
    await work();
    $("enrol-dialog").close();
    changed();
  } catch (error) {
    if (error.code === undefined) throw error;
    tellNew(error.code === "duplicate_person" ? t("enrol.known_text", { name: error.details.name }) : error.text,
      error.code === "duplicate_person" ? error.details : null);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

$("new").addEventListener("click", askNew);
$("enrol-form").addEventListener("submit", (event) => { event.preventDefault(); enrol(); });
$("new-other").addEventListener("click", () => enrol(true));
$("new-same").addEventListener("click", addToKnown);
for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
$("search").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => { offset = 0; changed(); }, SEARCH_AFTER_MS); });
$("previous").addEventListener("click", () => { offset = Math.max(0, offset - PAGE); load(); });
$("next").addEventListener("click", () => { offset += PAGE; load(); });
document.addEventListener("key-changed", changed);

const search = () => $("search").value.trim();
const map = openMap(search);
const matrix = openMatrix(search);
load();
