import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";

import { EN } from "./page.mjs";

const { hasText, t } = await import("../../web/pages/static/js/shared/texts.js");
const format = await import("../../web/pages/static/js/shared/format.js");
const probability = await import("../../web/pages/static/js/shared/probability.js");
const { describeReason } =
  await import("../../web/pages/static/js/console/hindrances.js");
const { formatShare } = await import("../../web/pages/static/js/people/format.js");

describe("texts", () => {
  it("are looked up and filled", () => {
    assert.equal(t("header.gone"), EN["header.gone"]);
    assert.equal(t("people.range", { from: 1, to: 20, total: 42 }), "1–20 of 42");
  });

  it("keep a placeholder without a value, and a key without a text", () => {
    assert.match(t("enrol.same"), /\{name\}/);
    assert.equal(t("no.such_text"), "no.such_text");
    assert.equal(hasText("no.such_text"), false);
  });

  it("isolate a name that is written from the right", () => {
    assert.equal(t("enrol.same", { name: "Ann" }), "Yes, I am Ann");
    assert.equal(t("enrol.same", { name: "דנה" }), "Yes, I am \u2068דנה\u2069");
  });
});

describe("a probability", () => {
  it("never claims certainty", () => {
    const cases = {
      1: "over 99.9%",
      0.999: "over 99.9%",
      0.9989: "99%",
      0.996: "99%",
      0.8999: "89%",
    };
    for (const [value, text] of Object.entries(cases)) {
      assert.equal(probability.formatPercent(Number(value)), text, value);
    }
  });

  it("is rounded down in between and never 0%", () => {
    const cases = {
      0: "under 1%",
      0.0099: "under 1%",
      0.01: "1%",
      0.29: "29%",
      0.4999: "49%",
      0.5: "50%",
    };
    for (const [value, text] of Object.entries(cases)) {
      assert.equal(probability.formatPercent(Number(value)), text, value);
    }
  });

  it("has words for how sure it is", () => {
    const cases = [
      [0.999, "sure.almost_certain"],
      [0.99, "sure.very"],
      [0.9, "sure.quite"],
      [0.5, "sure.likely"],
      [0.49, "sure.doubtful"],
    ];
    for (const [value, key] of cases) {
      assert.equal(probability.describeSureness(value), EN[key]);
    }
  });

  it("has the words that the documentation states", async () => {
    const page = await readFile(
      new URL("../../docs/pages.md", import.meta.url),
      "utf-8",
    );
    const rows = [...page.matchAll(/^\| ([\d.]+) % \| ([a-z ]+) \|$/gm)];
    const documented = rows.map(([, percent, words]) => [Number(percent), words]);
    const said = probability.SURENESS.map(([least, key]) => [
      Math.round(1000 * least) / 10,
      EN[key].toLowerCase(),
    ]);
    assert.deepEqual(documented, said);
  });
});

describe("figures", () => {
  it("have a fixed count of decimals", () => {
    assert.equal(format.formatNumber(3), "3.0");
    assert.equal(format.formatNumber(0.7135, 2), "0.71");
  });

  it("may be shares, which may be whole", () => {
    assert.equal(formatShare(1), "100%");
    assert.equal(formatShare(0.884), "88%");
  });
});

describe("names", () => {
  it("are parted as the language does", () => {
    assert.equal(format.formatList(["Ann", "Ben", "Cem"]), "Ann, Ben, Cem");
  });

  it("have no last one where others follow", () => {
    const cases = {
      en: ["A, B, C", "A, B, C"],
      ko: ["A, B 및 C", "A, B, C"],
      zh: ["A、B、C", "A、B、C"],
    };
    for (const [inLanguage, [whole, first]] of Object.entries(cases)) {
      const write = (names, more) => format.formatList(names, { more, inLanguage });
      assert.equal(write(["A", "B", "C"], false), whole);
      assert.equal(write(["A", "B", "C"], true), first);
      assert.equal(write(["A"], true), "A");
    }
  });
});

describe("a moment", () => {
  it("is written as date and time", () => {
    assert.match(format.formatMoment("2026-01-31T12:15:00Z", "never"), /Ja?n? ?.*2026/);
  });

  it("may be missing", () => {
    assert.equal(format.formatMoment(null, "never"), "never");
  });
});

describe("what hinders the service", () => {
  const say = (code, details, text = "?") => describeReason({ code, text, details });

  it("is said with its figures", () => {
    assert.match(say("disk_full", { megabytes: 120 }), /almost full: 120 MB/);
    assert.match(
      say("clock", { shown: "2027-03-01T08:00:00Z", days: 92.4 }),
      /ahead by 92 d/,
    );
    assert.match(
      say("clock", { shown: "1970-01-01T08:00:00Z", days: -20.4 }),
      /behind by 20 d/,
    );
  });

  it("tells an old backup from none", () => {
    assert.match(
      say("backup_old", { made_at: "2026-11-20T12:00:00Z" }),
      /Nov 20, 2026/,
    );
    assert.equal(say("backup_old", { made_at: null }), EN["health.backup_missing"]);
  });

  it("is said as it came where there is no text for it", () => {
    assert.equal(say("new", {}, "Something new."), "Something new.");
  });
});
