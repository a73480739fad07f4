import assert from "node:assert/strict";
import { beforeEach, describe, it, mock } from "node:test";

import { EN } from "./page.mjs";

const JS = "../../web/pages/static/js/shared";
const { sendWhenFree } = await import(`${JS}/busy.js`);
const { errorFromAnswer } = await import(`${JS}/errors.js`);

const refuse = (status, code, retryAfter) => {
  throw errorFromAnswer(status, { error: { code } }, retryAfter);
};

/** The page, as far as a line at its end goes. */
class Page {
  lines = [];
  shown = [];
  body = {
    append: (line) => this.lines.push(line),
  };

  createElement() {
    const page = this;
    return {
      append() {},
      remove() {
        page.lines = page.lines.filter((line) => line !== this);
      },
      set textContent(text) {
        page.shown.push(text);
      },
    };
  }

  getElementById(id) {
    return this.lines.find((line) => line.id === id) ?? null;
  }
}

describe("a request to a busy service", () => {
  let page;
  let waits;

  beforeEach(() => {
    page = new Page();
    waits = [];
    Object.assign(globalThis.document, {
      body: page.body,
      createElement: () => page.createElement(),
      getElementById: (id) => page.getElementById(id),
    });
    mock.restoreAll();
    mock.method(globalThis, "setTimeout", (go, milliseconds) => {
      waits.push(milliseconds);
      queueMicrotask(go);
    });
  });

  it("is sent again after the time that the service asks for, and says so", async () => {
    let times = 0;
    const answer = await sendWhenFree(async () => {
      times += 1;
      if (times <= 2) refuse(503, "busy", "7");
      return "ann";
    });
    assert.equal(answer, "ann");
    assert.deepEqual(waits, [7000, 7000]);
    assert.deepEqual(page.shown, Array(2).fill(EN["wait.busy"].replace("{n}", "7")));
    assert.deepEqual(page.lines, []);
  });

  it("waits five seconds where the service states no time", async () => {
    let times = 0;
    await sendWhenFree(async () => {
      times += 1;
      if (times === 1) refuse(503, "busy", null);
    });
    assert.deepEqual(waits, [5000]);
  });

  it("gives up after a dozen times, with the refusal", async () => {
    let times = 0;
    const sending = sendWhenFree(async () => {
      times += 1;
      refuse(503, "busy", "1");
    });
    await assert.rejects(sending, { code: "busy" });
    assert.equal(times, 12);
    assert.deepEqual(page.lines, []);
  });

  it("is not sent again after any other refusal", async () => {
    for (const [status, code] of [
      [503, "store_unavailable"],
      [422, "media_corrupt"],
      [429, "rate_limited"],
    ]) {
      let times = 0;
      const sending = sendWhenFree(async () => {
        times += 1;
        refuse(status, code, "1");
      });
      await assert.rejects(sending, { code });
      assert.equal(times, 1);
    }
    assert.deepEqual(waits, []);
  });
});
