// The map of the gallery: a dot for each template, a colour for each person, and a clip among them when one is sent.
import { call, hintText, upload } from "./api.js";
import { clipField } from "./clip-field.js";
import { figure, t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const GOLDEN_DEG = 137.508; // neighbouring people get colours far apart
const $ = (id) => document.getElementById(id);
const checked = (name) => document.querySelector(`#map [name=${name}]:checked`).value;

/** Draws the map and keeps it in step; `search()` is the text that the list is narrowed by. */
export function openMap(search) {
  const plane = $("plane");
  let answer = null;
  let clip = null;
  let at = -1; // the dot that the keyboard is on
  let turn = 0;

  async function refresh() {
    const mine = ++turn;
    $("map-problem").hidden = true;
    plane.setAttribute("aria-busy", "true");
    $("map-said").textContent = t("people.loading");
    const url = `/v1/gallery/map?modality=${checked("modality")}&method=${checked("method")}&search=${encodeURIComponent(search())}`;
    try {
      const found = clip ? await upload(url, { media: clip }) : await call("GET", url);
      if (mine === turn) draw(found);
    } catch (error) {
      if (error.code === undefined) throw error;
      if (mine !== turn) return;
      plane.replaceChildren();
      $("map-said").textContent = "";
      $("map-problem").textContent = [error.text, ...(error.details?.hints ?? []).map(hintText)].join(" ");
      $("map-problem").hidden = false;
    } finally {
      if (mine === turn) plane.removeAttribute("aria-busy");
    }
  }

  function draw(found) {
    answer = found;
    at = -1;
    const ids = [...new Set(found.points.map((p) => p.person_id))];
    const hue = new Map(ids.map((id, i) => [id, (i * GOLDEN_DEG) % 360]));
    const size = narrow() * (found.points.length > 400 ? 0.012 : found.points.length > 80 ? 0.018 : 0.026);
    plane.replaceChildren(...found.points.map((p, i) => dot(p, i, hue.get(p.person_id), size)));
    if (found.probe) plane.append(...probeMark(found.probe));
    say(null);
  }

  /** On a narrow screen dots and names are drawn larger. */
  const narrow = () => Math.min(2, Math.max(1, 800 / (plane.clientWidth || 800)));

  function dot(p, i, hue, size) {
    const made = shape("circle", { cx: p.x, cy: -0.7 * p.y, r: size });
    made.style.setProperty("--hue", hue);
    made.dataset.i = i;
    return made;
  }

  function probeMark({ x, y }) {
    const label = shape("text", { x: x + 0.05, y: -0.7 * y + 0.017, "font-size": 0.05 * narrow() });
    label.textContent = t("map.probe");
    return [shape("circle", { cx: x, cy: -0.7 * y, r: 0.035, class: "probe" }), shape("circle", { cx: x, cy: -0.7 * y, r: 0.008, class: "on" }), label];
  }

  /** Marks the templates of one person and says whose they are; null takes the mark away. */
  function say(i) {
    plane.querySelector(".name")?.remove();
    const p = i === null ? null : answer.points[i];
    for (const one of plane.querySelectorAll("[data-i]")) {
      const mine = p && answer.points[one.dataset.i].person_id === p.person_id;
      one.classList.toggle("dim", Boolean(p) && !mine);
      one.classList.toggle("on", Boolean(mine));
    }
    $("map-said").textContent = p ? t("map.point", { name: p.name, id: p.person_id, n: answer.points.filter((o) => o.person_id === p.person_id).length }) : summary();
    if (!p) return;
    const right = p.x > 0.5;
    const label = shape("text", { x: p.x + (right ? -0.045 : 0.045), y: -0.7 * p.y + 0.017, class: "name", "text-anchor": right ? "end" : "start", "font-size": 0.05 * narrow() });
    label.textContent = p.name;
    plane.append(label);
  }

  function summary() {
    if (!answer.points.length) return t(answer.total ? "map.none" : "people.none");
    const shown = answer.shown ? t("map.shown", { percent: figure(100 * (answer.shown[0] + answer.shown[1]), 0) }) : t("map.tsne_about");
    return `${t("map.counts", { points: answer.points.length, people: answer.people, total: answer.total })} ${shown}`;
  }

  function move(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") { at = -1; say(null); return; }
    if (!step || !answer?.points.length) return;
    event.preventDefault();
    at = (at + step + answer.points.length + (at < 0 && step < 0 ? 1 : 0)) % answer.points.length;
    say(at);
  }

  plane.addEventListener("pointerover", (event) => event.target.dataset.i !== undefined && say(Number(event.target.dataset.i)));
  plane.addEventListener("pointerleave", () => answer && say(null));
  plane.addEventListener("keydown", move);
  plane.addEventListener("blur", () => answer && at >= 0 && say(null));
  for (const input of document.querySelectorAll("#map [type=radio]")) input.addEventListener("change", refresh);
  clipField(document.querySelector("#map .probe"), (file) => { clip = file; $("forget-probe").hidden = false; refresh(); });
  $("forget-probe").addEventListener("click", () => { clip = null; $("forget-probe").hidden = true; refresh(); });
  refresh();
  return { refresh };
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
