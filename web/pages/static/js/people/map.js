// The map of the gallery: asking for it, walking through it, and a clip among its dots.
import { ClipField } from "../shared/clip-field.js";
import { buttonById, byId, checkedValue, listenAll } from "../shared/dom.js";
import { formatNumber } from "../shared/format.js";
import { LatestTurn } from "../shared/latest-turn.js";
import { showError } from "../shared/notice.js";
import { t } from "../shared/texts.js";
import { drawMap, indexOfDot, labelPoint, markPerson, unmark } from "./map-drawing.js";
import { mapGallery } from "./service.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class MapView {
  #plane = byId("plane", SVGSVGElement);
  #clip = new ClipField("probe", {
    onTake: () => this.#setProbe(true),
    digits: false,
  });
  #turns = new LatestTurn();

  /** @type {Api.GalleryMap | null} */
  #map = null;

  /** Dot that the keyboard is on, -1 for none. */
  #index = -1;

  /** @param {() => string} getSearch */
  constructor(getSearch) {
    this.getSearch = getSearch;
    this.#listen();
  }

  async refresh() {
    const isLatest = this.#turns.begin();
    this.#showLoading();
    try {
      const map = await mapGallery(this.#getQuery(), this.#clip.file);
      if (isLatest()) this.#show(map);
    } catch (error) {
      if (isLatest()) this.#showError(error);
    } finally {
      if (isLatest()) this.#plane.removeAttribute("aria-busy");
    }
  }

  #listen() {
    const plane = this.#plane;
    plane.addEventListener("pointerover", (event) => this.#point(event));
    plane.addEventListener("pointerleave", () => this.#describe(null));
    plane.addEventListener("keydown", (event) => this.#pressKey(event));
    plane.addEventListener("blur", () => {
      if (this.#index >= 0) this.#describe(null);
    });
    listenAll("#map [type=radio]", "change", () => this.refresh());
    buttonById("forget-probe").addEventListener("click", () => this.#setProbe(false));
  }

  #getQuery() {
    return {
      modality: checkedValue("modality"),
      method: checkedValue("method"),
      search: this.getSearch(),
    };
  }

  /** @param {boolean} hasProbe */
  #setProbe(hasProbe) {
    if (!hasProbe) this.#clip.forget();
    byId("forget-probe").hidden = !hasProbe;
    this.refresh();
  }

  #showLoading() {
    byId("map-problem").hidden = true;
    this.#plane.setAttribute("aria-busy", "true");
    byId("map-status").textContent = t("people.loading");
  }

  /** @param {unknown} error */
  #showError(error) {
    this.#plane.replaceChildren();
    byId("map-status").textContent = "";
    showError("map-problem", error);
  }

  /** @param {Api.GalleryMap} map */
  #show(map) {
    this.#map = map;
    this.#index = -1;
    drawMap(this.#plane, map);
    this.#describe(null);
  }

  /**
   * Mark the templates of a dot's person and say whose they are; null marks nobody.
   * @param {number | null} index
   */
  #describe(index) {
    if (!this.#map) return;
    const point = index === null ? undefined : this.#map.points[index];
    unmark(this.#plane);
    byId("map-status").textContent = describeMap(this.#map, point);
    if (!point) return;
    markPerson(this.#plane, this.#map.points, point);
    labelPoint(this.#plane, point);
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const index = indexOfDot(event.target);
    if (index !== null) this.#describe(index);
  }

  /** @param {KeyboardEvent} event */
  #pressKey(event) {
    const count = this.#map?.points.length ?? 0;
    const step = STEPS[event.key];
    if (event.key === "Escape") this.#index = -1;
    else if (!step || !count) return;
    else this.#index = nextIndex(this.#index, step, count);
    if (step) event.preventDefault();
    this.#describe(this.#index < 0 ? null : this.#index);
  }
}

/**
 * Go on by a step, around the ends. From nowhere (-1) a step leads to an end.
 * @param {number} index
 * @param {number} step 1 or -1
 * @param {number} count
 */
export function nextIndex(index, step, count) {
  if (index < 0) return step > 0 ? 0 : count - 1;
  return (index + step + count) % count;
}

/**
 * Describe a person of the map, or without one the whole map.
 * @param {Api.GalleryMap} map
 * @param {Api.PersonRef} [person]
 */
function describeMap(map, person) {
  if (!person) return summarise(map);
  const { name, person_id: id } = person;
  const n = map.points.filter((point) => point.person_id === id).length;
  return t("map.point", { name, id, n });
}

/** @param {Api.GalleryMap} map */
function summarise({ points, people, total, shown }) {
  if (!points.length) return t(total ? "map.none" : "people.none");
  const counts = t("map.counts", { points: points.length, people, total });
  return `${counts} ${shown ? describeSpread(shown) : t("map.tsne_about")}`;
}

/** @param {[number, number]} shares */
const describeSpread = ([x, y]) =>
  t("map.shown", { percent: formatNumber(100 * (x + y), 0) });
