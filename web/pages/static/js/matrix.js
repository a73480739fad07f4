// How alike the people are: a square for every two, darker for more alike; those that could be mistaken for each other are framed.
import { call } from "./api.js";
import { figure, t } from "./texts.js";

const MOST_PAIRS = 5;
const $ = (id) => document.getElementById(id);

/** Draws the matrix and keeps it in step; it shows the modality that the map is set to. */
export function openMatrix(search) {
  const canvas = $("cells");
  let answer = null;
  let at = [0, 0];
  let turn = 0;

  async function refresh() {
    const mine = ++turn;
    const modality = document.querySelector("#map [name=modality]:checked").value;
    try {
      const found = await call("GET", `/v1/gallery/similarity?modality=${modality}&search=${encodeURIComponent(search())}`);
      if (mine !== turn) return;
      answer = found;
    } catch (error) {
      if (error.code === undefined) throw error;
      if (mine === turn) $("matrix-said").textContent = error.text;
      return;
    }
    at = [0, 0];
    $("matrix").hidden = answer.people.length < 2;
    if ($("matrix").hidden) return;
    $("matrix-threshold").textContent = t("matrix.threshold", { threshold: figure(answer.threshold, 2) });
    $("matrix-said").textContent = t("matrix.size", { n: answer.people.length, total: answer.total, by: t(`by.${modality}`) });
    draw();
    list();
  }

  function draw() {
    const n = answer?.people.length ?? 0;
    const side = canvas.clientWidth;
    if (!n || !side) return;
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.height = side * ratio;
    const ink = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const [paper, accent, warn, none] = ["--paper", "--accent", "--warn", "--line"].map((name) => style.getPropertyValue(name));
    const cell = canvas.width / n;
    const gap = cell > 12 ? ratio : 0;
    answer.scores.forEach((line, y) => line.forEach((score, x) => {
      ink.globalAlpha = 1;
      ink.fillStyle = paper;
      ink.fillRect(x * cell, y * cell, cell, cell);
      ink.globalAlpha = score === null ? 1 : Math.max(0, Math.min(1, score));
      ink.fillStyle = score === null ? none : accent;
      ink.fillRect(x * cell, y * cell, cell - gap, cell - gap);
      if (x !== y && score >= answer.threshold) {
        ink.globalAlpha = 1;
        ink.strokeStyle = warn;
        ink.lineWidth = Math.max(ratio, cell / 10);
        ink.strokeRect(x * cell + ink.lineWidth / 2, y * cell + ink.lineWidth / 2, cell - ink.lineWidth - gap, cell - ink.lineWidth - gap);
      }
    }));
  }

  function say([x, y]) {
    const [one, other] = [answer.people[y], answer.people[x]];
    const score = answer.scores[y][x];
    $("matrix-said").textContent = x !== y ? t("matrix.pair", { one: one.name, other: other.name, score: figure(score, 2) })
      : score === null ? t("matrix.single", { one: one.name }) : t("matrix.own", { one: one.name, score: figure(score, 2) });
  }

  /** The pairs that are the most alike, in words. */
  function list() {
    const pairs = answer.scores.flatMap((line, y) => line.slice(0, y).map((score, x) => ({ score, x, y })));
    pairs.sort((a, b) => b.score - a.score);
    $("closest").replaceChildren(...pairs.slice(0, MOST_PAIRS).map(({ score, x, y }) => {
      const line = document.createElement("li");
      line.textContent = t("matrix.pair", { one: answer.people[x].name, other: answer.people[y].name, score: figure(score, 2) });
      line.classList.toggle("over", score >= answer.threshold);
      return line;
    }));
  }

  function point(event) {
    if (!answer) return;
    const box = canvas.getBoundingClientRect();
    const n = answer.people.length;
    const place = (offset, size) => Math.min(n - 1, Math.max(0, Math.floor((offset / size) * n)));
    at = [place(event.clientX - box.left, box.width), place(event.clientY - box.top, box.height)];
    say(at);
  }

  function move(event) {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!step || !answer) return;
    event.preventDefault();
    const n = answer.people.length;
    at = at.map((value, i) => Math.min(n - 1, Math.max(0, value + step[i])));
    say(at);
  }

  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("keydown", move);
  for (const input of document.querySelectorAll("#map [name=modality]")) input.addEventListener("change", refresh);
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  refresh();
  return { refresh };
}
