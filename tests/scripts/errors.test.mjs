import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";

import { EN } from "./page.mjs";

const SHARED = "../../web/pages/static/js/shared";
const { ApiError, asApiError, describeHint, duplicateOf, errorFromAnswer, serverGone } =
  await import(`${SHARED}/errors.js`);
const { fileNameOf, sendJson } = await import(`${SHARED}/http.js`);
const { setKey } = await import(`${SHARED}/key.js`);

describe("an error of the service", () => {
  it("appears in the page's language", () => {
    const body = {
      error: { code: "media_empty", message: "The file is empty." },
    };
    const error = errorFromAnswer(422, body, null);
    assert.equal(error.message, EN["error.media_empty"]);
    assert.equal(error.code, "media_empty");
    assert.equal(error.status, 422);
  });

  it("of a request keeps what the service wrote, behind the page's text", () => {
    const error = {
      code: "invalid_request",
      message: "`limit` is 0.",
      hint: "Raise it.",
    };
    assert.equal(
      errorFromAnswer(400, { error }, null).message,
      `${EN["error.invalid_request"]} \`limit\` is 0. Raise it.`,
    );
  });

  it("without a text of the page keeps the service's words", () => {
    const error = { code: "brand_new", message: "It is so.", hint: "Do this." };
    assert.equal(errorFromAnswer(400, { error }, null).message, "It is so. Do this.");
  });

  it("may come from somebody else, without a body", () => {
    assert.equal(errorFromAnswer(429, null, "12").code, "rate_limited");
    assert.equal(errorFromAnswer(429, null, "12").retryAfterS, 12);
    assert.match(errorFromAnswer(429, null, "12").message, /again in 12 s\.$/);
    assert.equal(errorFromAnswer(429, null, null).message, EN["error.rate_limited"]);
    assert.equal(errorFromAnswer(502, null, null).message, EN["error.internal"]);
    assert.equal(errorFromAnswer(502, null, null).retryAfterS, null);
  });

  it("names the person whom a clip matches", () => {
    const details = { person_id: "ann", name: "Ann Lee", score: 0.7 };
    const duplicate = errorFromAnswer(
      409,
      { error: { code: "duplicate_person", details } },
      null,
    );
    assert.deepEqual(duplicateOf(duplicate), {
      person_id: "ann",
      name: "Ann Lee",
    });
    assert.equal(duplicateOf(serverGone()), null);
  });

  it("tells a wrong key from none, and names the role that is missing", () => {
    const refuse = (status, code, details) =>
      errorFromAnswer(status, { error: { code, details } }, null).message;
    const cases = {
      missing: "key_required",
      unknown: "key_unknown",
      revoked: "key_revoked",
    };
    for (const [key, text] of Object.entries(cases)) {
      assert.equal(refuse(401, "key_required", { key }), EN[`error.${text}`]);
    }
    const forbidden = refuse(403, "forbidden", { role: "kiosk", needed: ["admin"] });
    assert.match(forbidden, /role kiosk\. .*cli\.py keys create --role admin$/);
  });

  it("is not taken for a fault of the page", () => {
    const fault = new TypeError("undefined is not a function");
    assert.equal(asApiError(serverGone()).code, "server_gone");
    assert.throws(() => asApiError(fault), fault);
  });
});

describe("a hint", () => {
  it("appears in the page's language, or in the service's words", () => {
    const hint = { code: "too_dark", text: "Dark." };
    assert.equal(describeHint(hint), EN["hint.too_dark"]);
    assert.equal(describeHint({ code: "brand_new", text: "New." }), "New.");
  });
});

describe("a request", () => {
  let url = "";
  let seen = {};
  const answers = {
    "/json": { status: 200, body: '{"version": "1"}' },
    "/nothing": { status: 204, body: "" },
    "/broken": { status: 500, body: "<html>" },
    "/busy": { status: 429, body: "{}", headers: { "Retry-After": "7" } },
  };
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join("");
    seen = { method: request.method, headers: request.headers, body };
    const answer = answers[request.url];
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });

  before(async () => {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  it("sends JSON and returns JSON", async () => {
    assert.deepEqual(await sendJson("POST", `${url}/json`, { a: 1 }), {
      version: "1",
    });
    assert.equal(seen.method, "POST");
    assert.equal(seen.headers["content-type"], "application/json");
    assert.deepEqual(JSON.parse(seen.body), { a: 1 });
  });

  it("returns nothing for nothing", async () => {
    assert.equal(await sendJson("DELETE", `${url}/nothing`), null);
  });

  it("carries the key as long as there is one", async () => {
    setKey("secret");
    await sendJson("GET", `${url}/json`);
    assert.equal(seen.headers["x-api-key"], "secret");
    setKey("");
    await sendJson("GET", `${url}/json`);
    assert.equal(seen.headers["x-api-key"], undefined);
  });

  it("fails with an ApiError, whatever the answer looks like", async () => {
    const broken = { name: "Error", code: "internal", status: 500 };
    await assert.rejects(sendJson("GET", `${url}/broken`), broken);
    const busy = { code: "rate_limited", status: 429, retryAfterS: 7 };
    await assert.rejects(sendJson("GET", `${url}/busy`), busy);
  });

  it("fails with an ApiError when nobody answers", async () => {
    const closed = createServer();
    await new Promise((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address();
    await new Promise((resolve) => closed.close(resolve));
    await assert.rejects(sendJson("GET", `http://127.0.0.1:${port}/`), (error) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.code, "server_gone");
      return true;
    });
  });
});

describe("the name of an upload", () => {
  it("is that of the file, or made from the type of the recording", () => {
    assert.equal(fileNameOf(new File([], "ann.mp4")), "ann.mp4");
    assert.equal(fileNameOf(new Blob([], { type: "video/mp4" })), "clip.mp4");
    const recording = new Blob([], { type: "video/webm;codecs=vp8,opus" });
    assert.equal(fileNameOf(recording), "clip.webm");
  });
});
