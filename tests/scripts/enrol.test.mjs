import assert from "node:assert/strict";
import { describe, it } from "node:test";

import "./page.mjs";

const { partTables, readParts } =
  await import("../../web/pages/static/js/enrol/collect.js");

const { saveReport } = await import("../../web/pages/static/js/enrol/service.js");

const chosen = (...files) => files.map((file) => ({ path: file.name, file }));

describe("what was chosen", () => {
  it("is read: a table that is held, and a list of the clips", async () => {
    const files = chosen(new File(["id"], "a.csv"), new File(["clip"], "b.wav"));
    const { table, listing, clips } = await readParts(partTables(files));
    assert.equal(await table.text(), "id");
    assert.deepEqual(
      clips.map(({ path }) => path),
      ["b.wav"],
    );
    assert.deepEqual(JSON.parse(await listing.text()), [
      { name: "b.wav", bytes: 4, head: btoa("clip") },
    ]);
  });

  it("may have no table", async () => {
    const { table } = await readParts(partTables(chosen(new File(["clip"], "b.wav"))));
    assert.equal(table, null);
  });

  it("is refused by the size of its table, before that is read", async () => {
    const large = {
      name: "a.csv",
      size: 5_000_001,
      arrayBuffer: () => assert.fail("it was read"),
    };
    await assert.rejects(readParts({ tables: [large], clips: [] }), {
      code: "table_malformed",
    });
  });
});

describe("the report", () => {
  globalThis.URL.createObjectURL = () => "blob:report";
  globalThis.URL.revokeObjectURL = () => {};
  globalThis.document.createElement = () => ({ append() {}, click() {} });
  const fields = { table: new File(["id"], "a.csv"), encoding: "auto" };
  /** Answer with the status of a table, and with a report where none is sent. */
  const answerTables = (status) => {
    globalThis.fetch = async (_url, { method } = {}) =>
      new Response(method ? "{}" : "a", { status: method ? status : 200 });
  };

  it("is named by a table that can be read", async () => {
    answerTables(200);
    assert.equal(await saveReport("job", fields), true);
  });

  it("is saved without the names of a table that is refused, and that is told", async () => {
    answerTables(422);
    assert.equal(await saveReport("job", fields), false);
  });

  it("needs no table", async () => {
    answerTables(422);
    assert.equal(await saveReport("job"), true);
  });
});
