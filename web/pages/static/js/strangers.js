// Entry of /console/strangers: unknown visitors, who they are, or that they stay unknown.
import { NamingDialog } from "./console/naming-dialog.js";
import { Panel } from "./console/panel.js";
import { createActions, createButton, showTable } from "./console/table.js";
import { deleteStranger, hideStranger, listStrangers } from "./console/visitors.js";
import { confirmAction } from "./shared/confirm.js";
import { buttonById, byId, create, inputById } from "./shared/dom.js";
import { formatMoment } from "./shared/format.js";
import { fetchWithKey } from "./shared/http.js";
import { t } from "./shared/texts.js";

const PAGE = 50;
const NONE = "–";

/** @type {import("./console/table.js").Column<Api.Stranger>[]} */
const COLUMNS = [
  { label: t("strangers.face"), show: createPicture },
  {
    label: t("strangers.seen"),
    show: ({ times: n }) =>
      n === 1 ? t("strangers.once") : t("strangers.times", { n }),
  },
  { label: t("strangers.first"), show: ({ first_at }) => formatMoment(first_at, NONE) },
  { label: t("strangers.last"), show: ({ last_at }) => formatMoment(last_at, NONE) },
  { label: t("strangers.kept"), show: ({ clips }) => t("strangers.clips", clips) },
  { label: t("list.act"), show: createAct },
];

const dialog = new NamingDialog(() => showFirst());

/** @type {Api.Stranger[]} */
let strangers = [];
let offset = 0;

// Before the panel, which loads at once
document.addEventListener("key-changed", () => (offset = 0));
const panel = new Panel(
  () => listStrangers({ offset, limit: PAGE, hidden: String(isHidden()) }),
  (answer) => {
    strangers = offset ? [...strangers, ...answer.strangers] : answer.strangers;
    offset = strangers.length;
    buttonById("more").hidden = offset >= answer.total;
    byId("off").hidden = answer.days > 0;
    showTable(byId("records"), COLUMNS, strangers);
  },
);

const isHidden = () => inputById("hidden").checked;

function showFirst() {
  offset = 0;
  return panel.refresh();
}

/** @param {Api.Stranger} stranger */
function createPicture(stranger) {
  if (!stranger.has_picture) return NONE;
  const picture = create("img", { alt: t("strangers.picture"), width: 56, height: 56 });
  showPicture(stranger, picture);
  return picture;
}

/**
 * @param {Api.Stranger} stranger
 * @param {HTMLImageElement} picture
 */
async function showPicture({ stranger_id }, picture) {
  const answer = await fetchWithKey(`/v1/strangers/${stranger_id}/picture`).catch(
    () => null,
  );
  if (!answer?.ok) return;
  picture.src = URL.createObjectURL(await answer.blob());
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), {
    once: true,
  });
}

/** @param {Api.Stranger} stranger */
function createAct(stranger) {
  const hide = stranger.hidden ? t("strangers.list_again") : t("strangers.hide");
  return createActions(
    createButton(t("strangers.this_is"), () => dialog.open(stranger)),
    createButton(hide, () => act(() => hideStranger(stranger, !stranger.hidden))),
    createButton(t("strangers.delete"), () => remove(stranger), "danger"),
  );
}

/** @param {Api.Stranger} stranger */
async function remove(stranger) {
  if (!(await confirmAction(t("strangers.delete_sure"), t("strangers.delete")))) return;
  await act(() => deleteStranger(stranger));
}

/** @param {() => Promise<unknown>} action */
function act(action) {
  offset = 0;
  return panel.act(action);
}

inputById("hidden").addEventListener("change", showFirst);
buttonById("more").addEventListener("click", () => panel.refresh());
panel.refresh();
