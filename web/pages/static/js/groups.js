// Entry of /console/groups: groups and who is in them, events as they happen, deliveries.
import {
  createGroup,
  deleteGroup,
  followEvents,
  listDeliveries,
  listGroups,
  resendDeliveries,
} from "./console/groups.js";
import { MembersDialog } from "./console/members-dialog.js";
import { Panel } from "./console/panel.js";
import { createActions, createButton, showTable } from "./console/table.js";
import { confirmAction } from "./shared/confirm.js";
import { debounce } from "./shared/debounce.js";
import { buttonById, byId, inputById } from "./shared/dom.js";
import { formatMoment } from "./shared/format.js";
import { showError } from "./shared/notice.js";
import { hasText, t } from "./shared/texts.js";

const NONE = "–";
const MOST_EVENTS = 50;
const AGAIN_MS = 5000;
const QUIET_MS = 200;

/** @type {import("./console/table.js").Column<Api.Group>[]} */
const GROUPS = [
  { label: t("groups.name"), show: describeGroup, isWritten: true },
  { label: t("groups.people"), show: ({ people }) => String(people) },
  {
    label: t("groups.watched"),
    show: ({ watched }) => (watched ? t("groups.yes") : NONE),
  },
  {
    label: t("groups.term"),
    show: ({ retention_days: n }) => (n ? t("groups.term_days", { n }) : NONE),
  },
  { label: t("list.act"), show: createAct },
];

/** @type {import("./console/table.js").Column<Api.Sighting>[]} */
const EVENTS = [
  { label: t("list.when"), show: ({ at }) => formatMoment(at, NONE) },
  {
    label: t("groups.person"),
    show: ({ name }) => name ?? t("groups.unknown"),
    isWritten: true,
  },
  {
    label: t("groups.group"),
    show: ({ group_id }) => group_id ?? NONE,
    isWritten: true,
  },
  { label: t("groups.source"), show: ({ source }) => describeSource(source) },
];

/** @type {import("./console/table.js").Column<Api.Delivery>[]} */
const DELIVERIES = [
  { label: t("groups.event"), show: ({ event }) => String(event.event_id) },
  { label: t("groups.receiver"), show: ({ receiver }) => receiver },
  { label: t("list.state"), show: ({ state }) => t(`groups.${state}`) },
  { label: t("groups.attempts"), show: ({ attempts }) => String(attempts) },
  { label: t("groups.next"), show: ({ next_at }) => formatMoment(next_at, NONE) },
  { label: t("groups.reason"), show: ({ reason }) => reason || NONE },
];

const panel = new Panel(listGroups, ({ groups }) =>
  showTable(byId("records"), GROUPS, groups),
);
const members = new MembersDialog(() => panel.refresh());

/** @param {string} source */
const describeSource = (source) =>
  hasText(`source.${source}`) ? t(`source.${source}`) : source;

/** @param {Api.Group} group */
function createAct(group) {
  return createActions(
    createButton(t("groups.members"), () => members.open(group)),
    createButton(t("groups.delete"), () => remove(group), "danger"),
  );
}

/** @param {Api.Group} group */
function describeGroup({ name, group_id }) {
  return name === group_id ? name : `${name} (${group_id})`;
}

/** @param {Api.Group} group */
async function remove({ group_id, name }) {
  const question = t("groups.delete_sure", { name });
  if (!(await confirmAction(question, t("groups.delete")))) return;
  await panel.act(() => deleteGroup(group_id));
}

/** @param {SubmitEvent} event */
async function create(event) {
  event.preventDefault();
  const days = inputById("group-days").value;
  const name = inputById("group-name").value.trim();
  await panel.act(async () => {
    await createGroup({
      group_id: inputById("group-id").value.trim(),
      watched: inputById("group-watched").checked,
      ...(name && { name }),
      ...(days && { retention_days: Number(days) }),
    });
    byId("new", HTMLFormElement).reset();
  });
}

async function showDeliveries() {
  try {
    const { deliveries } = await listDeliveries();
    byId("deliveries-problem").hidden = true;
    buttonById("resend").hidden = !deliveries.some(({ state }) => state === "given_up");
    showTable(byId("deliveries"), DELIVERIES, deliveries, t("groups.all_taken"));
  } catch (error) {
    showError("deliveries-problem", error);
  }
}

async function resend() {
  try {
    const { resent: n } = await resendDeliveries();
    byId("resent").textContent = t("groups.resent", { n });
  } catch (error) {
    showError("deliveries-problem", error);
  }
  await showDeliveries();
}

const showDeliveriesSoon = debounce(() => showDeliveries(), QUIET_MS);

/** @type {Api.Sighting[]} */
let events = [];

/** @type {number | null} */
let last = null;
let following = new AbortController();

/** @param {Api.Sighting} event */
function addEvent(event) {
  last = event.event_id;
  events = [event, ...events].slice(0, MOST_EVENTS);
  showTable(byId("events"), EVENTS, events);
  showDeliveriesSoon();
}

/** Follow the events, and again when the stream ends, until another key comes. */
async function follow() {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  showTable(byId("events"), EVENTS, events, t("groups.no_event"));
  while (!signal.aborted) {
    byId("stream").textContent = t("groups.following");
    const from = last === null ? { recent: MOST_EVENTS } : { after: last };
    const isRead = await followEvents(from, addEvent, signal).catch(() => false);
    if (signal.aborted) return;
    if (!isRead) byId("stream").textContent = t("groups.cut");
    if (!isRead) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

byId("new", HTMLFormElement).addEventListener("submit", create);
buttonById("resend").addEventListener("click", resend);
buttonById("reload").addEventListener("click", showDeliveries);
document.addEventListener("key-changed", () => {
  showDeliveries();
  follow();
});
panel.refresh();
showDeliveries();
follow();
