import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { IdleTimer } from "../../web/pages/static/js/kiosk/idle-timer.js";
import { Kiosk } from "../../web/pages/static/js/kiosk/kiosk.js";
import {
  INITIAL_STATE,
  escape,
  receiveAnswer,
  startSending,
} from "../../web/pages/static/js/kiosk/machine.js";

const MINUTE_MS = 60_000;

describe("the kiosk", () => {
  it("tells its listeners of every change, in the order of listening", () => {
    const kiosk = new Kiosk();
    const calls = [];
    kiosk.listen((state, previous) => calls.push(["first", previous, state]));
    kiosk.listen((state, previous) => calls.push(["second", previous, state]));
    kiosk.apply(startSending, new Blob());
    assert.deepEqual(calls, [
      ["first", INITIAL_STATE, kiosk.state],
      ["second", INITIAL_STATE, kiosk.state],
    ]);
  });

  it("tells nobody of a step that changes nothing", () => {
    const kiosk = new Kiosk();
    kiosk.listen(() => assert.fail("nothing has changed"));
    kiosk.apply(escape);
  });
});

describe("the idle timer", () => {
  const startTimer = (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const kiosk = new Kiosk();
    return { kiosk, timer: new IdleTimer(kiosk), clock: context.mock.timers };
  };

  it("takes an answer off the screen after a minute", (context) => {
    const { kiosk, clock } = startTimer(context);
    kiosk.apply(receiveAnswer, { request_id: "r1" });
    clock.tick(MINUTE_MS - 1);
    assert.equal(kiosk.state.stage, "answer");
    clock.tick(1);
    assert.equal(kiosk.state.stage, "welcome");
    assert.equal(kiosk.state.answer, null);
  });

  it("starts again when somebody is there", (context) => {
    const { kiosk, timer, clock } = startTimer(context);
    kiosk.apply(receiveAnswer, { request_id: "r1" });
    clock.tick(MINUTE_MS - 1);
    timer.restart();
    clock.tick(MINUTE_MS - 1);
    assert.equal(kiosk.state.stage, "answer");
  });

  it("leaves a clip on its way alone", (context) => {
    const { kiosk, clock } = startTimer(context);
    kiosk.apply(startSending, new Blob());
    clock.tick(10 * MINUTE_MS);
    assert.equal(kiosk.state.stage, "sending");
  });
});
