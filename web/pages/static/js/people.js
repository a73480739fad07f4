// Entry of /people: the list, the dialogs, the map and the matrix, kept in step.
import { DuplicatesView } from "./people/duplicates.js";
import { EnrolDialog } from "./people/enrol-dialog.js";
import { PeopleList } from "./people/list.js";
import { MapView } from "./people/map.js";
import { MatrixView } from "./people/matrix.js";
import { PersonDialog } from "./people/person-dialog.js";
import { Selection } from "./people/selection.js";
import { debounce } from "./shared/debounce.js";
import { inputById, listenAll } from "./shared/dom.js";

const SEARCH_AFTER_MS = 200;

const search = inputById("search");
const getSearch = () => search.value.trim();

const personDialog = new PersonDialog(refresh);
const selection = new Selection(refresh);
const open = (/** @type {Api.Person} */ person) => personDialog.open(person);
const list = new PeopleList(getSearch, open, selection);
const map = new MapView(getSearch);
const matrix = new MatrixView(getSearch);
const duplicates = new DuplicatesView(getSearch, refresh);
new EnrolDialog(refresh);

function refresh() {
  list.load();
  map.refresh();
  matrix.refresh();
  duplicates.refresh();
}

/** Search from the first page on. */
function searchAgain() {
  list.rewind();
  refresh();
}

/** @param {Event} event */
function closeDialog({ target }) {
  if (target instanceof Element) target.closest("dialog")?.close();
}

search.addEventListener("input", debounce(searchAgain, SEARCH_AFTER_MS));
listenAll("dialog .close", "click", closeDialog);
document.addEventListener("key-changed", refresh);
refresh();
