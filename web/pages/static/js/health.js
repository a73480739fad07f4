// Entry of /console/health: whether the service answers, with what, and what hinders it.
import { describeReason } from "./console/hindrances.js";
import { Panel } from "./console/panel.js";
import { buttonById, byId, create } from "./shared/dom.js";
import { formatMoment } from "./shared/format.js";
import { showLines } from "./shared/lines.js";
import { getHealth } from "./shared/service.js";
import { t } from "./shared/texts.js";

const NONE = "–";

const panel = new Panel(getHealth, (health) => {
  const reasons = health.reasons ?? [];
  byId("state").textContent = t(reasons.length ? "health.trouble" : "health.fine");
  byId("state").className = reasons.length ? "warned" : "";
  showLines(byId("reasons"), reasons.map(describeReason));
  byId("facts").replaceChildren(...createFacts(health));
});

/** @param {Api.Health} health */
function createFacts(health) {
  const { encoders } = health;
  const facts = {
    "health.version": health.version ?? NONE,
    "health.people": String(health.people ?? NONE),
    "health.face": encoders?.face ?? NONE,
    "health.voice": encoders?.voice ?? NONE,
    "health.fused": encoders?.fused ?? NONE,
    "health.speech": t(health.speech_to_text ? "health.installed" : "health.missing"),
    "health.last_backup": formatMoment(health.last_backup ?? null, t("health.none")),
    "health.key":
      health.key === "not_needed" ? t("health.no_key") : (health.role ?? NONE),
  };
  return Object.entries(facts).flatMap(([key, textContent]) => [
    create("dt", { textContent: t(key) }),
    create("dd", { textContent }),
  ]);
}

buttonById("reload").addEventListener("click", () => panel.refresh());
panel.refresh();
