// A round picture of a person.
import { create } from "./dom.js";
import { fetchWithKey } from "./http.js";
import { personUrl } from "./service.js";

/**
 * Create the stored picture of a person, or the first letters of the name.
 * @param {Api.Person} person
 * @param {string} className
 */
export function createAvatar(person, className = "avatar") {
  const avatar = create("span", { className, textContent: initialsOf(person.name) });
  avatar.setAttribute("aria-hidden", "true");
  if (person.has_picture) showPicture(avatar, person);
  return avatar;
}

/**
 * Take the first letters of the first two words.
 * @param {string} name
 */
export function initialsOf(name) {
  const words = name.split(/\s+/).slice(0, 2);
  return words
    .map((word) => [...word][0] ?? "")
    .join("")
    .toUpperCase();
}

/**
 * @param {HTMLElement} place
 * @param {Api.PersonRef} person
 */
async function showPicture(place, person) {
  const url = await fetchPicture(person).catch(() => null);
  if (!url) return;
  const image = new Image();
  image.alt = "";
  image.onload = () => {
    URL.revokeObjectURL(url);
    place.replaceChildren(image);
  };
  image.src = url;
}

/**
 * Fetch the stored picture as an object URL; null if there is none.
 * @param {Api.PersonRef} person
 */
async function fetchPicture(person) {
  const answer = await fetchWithKey(`${personUrl(person)}/thumbnail`);
  return answer.ok ? URL.createObjectURL(await answer.blob()) : null;
}
