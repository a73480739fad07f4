// A round picture of a person.
import { personUrl, picture } from "./api.js";

/** The picture that is kept, or the first letters of the name. */
export function avatar(person, className = "avatar") {
  const made = document.createElement("span");
  made.className = className;
  made.setAttribute("aria-hidden", "true");
  made.textContent = person.name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  if (person.has_picture) showPicture(made, person);
  return made;
}

async function showPicture(place, person) {
  const url = await picture(`${personUrl(person)}/thumbnail`).catch(() => null);
  if (!url) return;
  const image = new Image();
  image.alt = "";
  image.onload = () => { URL.revokeObjectURL(url); place.replaceChildren(image); };
  image.src = url;
}
