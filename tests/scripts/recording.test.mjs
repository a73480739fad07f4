import assert from "node:assert/strict";
import { describe, it } from "node:test";

import "./page.mjs";

const SHARED = "../../web/pages/static/js/shared";
const { countDown } = await import(`${SHARED}/clock.js`);
const { debounce } = await import(`${SHARED}/debounce.js`);
const { reasonOf } = await import(`${SHARED}/devices.js`);
const { LatestTurn } = await import(`${SHARED}/latest-turn.js`);
const { levelOf } = await import(`${SHARED}/level.js`);
const { chooseMimeType } = await import(`${SHARED}/recorder.js`);
const { peaksOf } = await import(`${SHARED}/waveform.js`);

describe("a countdown", () => {
  it("goes from all seconds to none", async () => {
    const ticks = [];
    const { signal } = new AbortController();
    await countDown(0.02, (left) => ticks.push(left), signal);
    assert.equal(ticks[0], 0.02);
    assert.equal(ticks.at(-1), 0);
  });

  it("does not tick any more once it is stopped", async () => {
    const stopper = new AbortController();
    const ticks = [];
    const stop = (left) => {
      ticks.push(left);
      stopper.abort();
    };
    await countDown(0.02, stop, stopper.signal);
    assert.deepEqual(ticks, [0.02]);
  });
});

describe("the reason why devices do not open", () => {
  it("follows from the browser's error", () => {
    const cases = {
      NotAllowedError: "refused",
      SecurityError: "refused",
      NotReadableError: "taken",
      AbortError: "taken",
      NotFoundError: "missing",
      OverconstrainedError: "missing",
    };
    for (const [name, reason] of Object.entries(cases)) {
      assert.equal(reasonOf(new DOMException("", name)), reason, name);
    }
  });
});

describe("the type of a recording", () => {
  const choose = (hasVideo, hasAudio, ...supported) =>
    chooseMimeType({ hasVideo, hasAudio }, (type) => supported.includes(type));

  it("is the first that the browser records of these devices", () => {
    const both = "video/webm;codecs=vp8,opus";
    assert.equal(choose(true, true, "video/mp4", both), both);
    assert.equal(choose(true, false, "video/mp4", "video/webm"), "video/webm");
    assert.equal(choose(false, true, "audio/mp4", "video/webm"), "audio/mp4");
  });

  it("is left to the browser when it records none of them", () => {
    assert.equal(choose(true, true), undefined);
  });
});

describe("the level of a microphone", () => {
  it("goes from silence to full scale", () => {
    assert.equal(levelOf(new Float32Array(1024)), 0);
    assert.equal(levelOf(new Float32Array(1024).fill(1)), 1);
  });

  it("is half at the middle of the scale in decibels", () => {
    const middle = new Float32Array(1024).fill(10 ** (-33 / 20));
    assert.ok(Math.abs(levelOf(middle) - 0.5) < 0.001);
  });
});

describe("the peaks of a waveform", () => {
  it("are the loudest samples of equal stretches", () => {
    const samples = new Float32Array(1200);
    samples[5] = -0.5;
    samples[1199] = 0.25;
    const peaks = peaksOf(samples);
    assert.equal(peaks.length, 120);
    assert.equal(peaks[0], 0.5);
    assert.equal(peaks[1], 0);
    assert.equal(peaks[119], 0.25);
  });

  it("are drawn for less than one sample each, too", () => {
    assert.equal(peaksOf(new Float32Array(3)).length, 120);
  });
});

describe("a search while somebody types", () => {
  it("waits for the last key", (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    let searches = 0;
    const search = debounce(() => (searches += 1), 200);
    search();
    context.mock.timers.tick(199);
    search();
    context.mock.timers.tick(199);
    assert.equal(searches, 0);
    context.mock.timers.tick(1);
    assert.equal(searches, 1);
  });
});

describe("answers that overtake each other", () => {
  it("count only for the latest question", () => {
    const turns = new LatestTurn();
    const isFirstLatest = turns.begin();
    assert.equal(isFirstLatest(), true);
    const isSecondLatest = turns.begin();
    assert.equal(isFirstLatest(), false);
    assert.equal(isSecondLatest(), true);
  });
});
