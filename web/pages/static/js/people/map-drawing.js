// Drawing of the map: a dot for each template, a colour for each person.
import { t } from "../shared/texts.js";

const SVG = "http://www.w3.org/2000/svg";
/** The golden angle: neighbouring people get colours far apart. */
const GOLDEN_DEG = 137.508;
const WIDE_PX = 800;
/** The plane is lower than it is wide. */
const Y_SCALE = -0.7;
const FONT_SIZE = 0.05;
const BASELINE = 0.017;

/**
 * Draw the dots of the map, and the mark of a clip if there is one.
 * @param {SVGSVGElement} plane
 * @param {Api.GalleryMap} map
 */
export function drawMap(plane, { points, probe }) {
  const hues = huesOf(points);
  const radius = zoomOf(plane) * radiusFor(points.length);
  const dots = points.map((point, index) => {
    const dot = createDot(point, radius);
    dot.style.setProperty("--hue", String(hues.get(point.person_id)));
    dot.dataset.index = String(index);
    return dot;
  });
  plane.replaceChildren(...dots);
  if (probe) plane.append(...createProbe(probe, zoomOf(plane)));
}

/** @param {Api.PersonRef[]} points */
function huesOf(points) {
  const ids = [...new Set(points.map((point) => point.person_id))];
  return new Map(ids.map((id, i) => [id, (i * GOLDEN_DEG) % 360]));
}

/**
 * Enlarge dots and names on a narrow screen, at most twice.
 * @param {SVGSVGElement} plane
 */
const zoomOf = (plane) =>
  Math.min(2, Math.max(1, WIDE_PX / (plane.clientWidth || WIDE_PX)));

/** @param {number} count */
function radiusFor(count) {
  if (count > 400) return 0.012;
  return count > 80 ? 0.018 : 0.026;
}

/**
 * Get the number of the dot that an event is about; null for no dot.
 * @param {EventTarget | null} target
 */
export function indexOfDot(target) {
  const index = target instanceof SVGElement ? target.dataset.index : undefined;
  return index === undefined ? null : Number(index);
}

/**
 * Bring out the dots of a person and dim the others.
 * @param {SVGSVGElement} plane
 * @param {Api.PersonRef[]} points
 * @param {Api.PersonRef} person
 */
export function markPerson(plane, points, person) {
  for (const dot of plane.querySelectorAll("[data-index]")) {
    const index = indexOfDot(dot) ?? -1;
    const isOfPerson = points[index]?.person_id === person.person_id;
    dot.classList.toggle("on", isOfPerson);
    dot.classList.toggle("dim", !isOfPerson);
  }
}

/**
 * Take the mark of a person away.
 * @param {SVGSVGElement} plane
 */
export function unmark(plane) {
  plane.querySelector(".name")?.remove();
  for (const dot of plane.querySelectorAll("[data-index]")) {
    dot.classList.remove("on", "dim");
  }
}

/**
 * Write a person's name beside a dot, on the side where there is room.
 * @param {SVGSVGElement} plane
 * @param {Api.PersonRef & Api.Place} point
 */
export function labelPoint(plane, { name, x, y }) {
  const isAtRight = x > 0.5;
  const label = createText(name, zoomOf(plane), {
    x: x + (isAtRight ? -0.045 : 0.045),
    y: Y_SCALE * y + BASELINE,
    class: "name",
    "text-anchor": isAtRight ? "end" : "start",
  });
  plane.append(label);
}

/**
 * @param {Api.Place} place
 * @param {number} radius
 */
const createDot = ({ x, y }, radius) =>
  createShape("circle", { cx: x, cy: Y_SCALE * y, r: radius });

/**
 * @param {Api.Place} place
 * @param {number} zoom
 */
function createProbe({ x, y }, zoom) {
  const ring = createShape("circle", {
    cx: x,
    cy: Y_SCALE * y,
    r: 0.035,
    class: "probe",
  });
  const centre = createShape("circle", {
    cx: x,
    cy: Y_SCALE * y,
    r: 0.008,
    class: "on",
  });
  const position = { x: x + 0.05, y: Y_SCALE * y + BASELINE };
  return [ring, centre, createText(t("map.probe"), zoom, position)];
}

/**
 * @param {string} text
 * @param {number} zoom
 * @param {Record<string, string | number>} attributes
 */
function createText(text, zoom, attributes) {
  const label = createShape("text", { ...attributes, "font-size": FONT_SIZE * zoom });
  label.textContent = text;
  return label;
}

/**
 * @param {"circle" | "text"} name
 * @param {Record<string, string | number>} attributes
 */
function createShape(name, attributes) {
  const shape = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    shape.setAttribute(key, String(value));
  }
  return shape;
}
