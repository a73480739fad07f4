import assert from "node:assert/strict";
import { describe, it } from "node:test";

import * as machine from "../../web/pages/static/js/kiosk/machine.js";

const { INITIAL_STATE } = machine;
const DEVICES = { hasVideo: true, hasAudio: true };
const CLIP = new Blob(["clip"]);
const ANSWER = { request_id: "r1" };
const PROBLEM = new Error("problem");
const READY = machine.useDevices(INITIAL_STATE, DEVICES, "welcome");
const ALL_STAGES = [
  "welcome",
  "ready",
  "countdown",
  "recording",
  "sending",
  "answer",
  "enrol",
  "duplicate",
  "namesake",
  "enrolled",
  "problem",
];

/** @param {string} stage */
const at = (stage, changes = {}) => ({ ...READY, stage, ...changes });

describe("the way of one person", () => {
  it("leads from the devices to the answer", () => {
    const countdown = machine.startCountdown(READY);
    const recording = machine.startRecording(countdown);
    const sending = machine.startSending(recording, CLIP);
    const answer = machine.receiveAnswer(sending, ANSWER);
    assert.deepEqual(
      [READY, countdown, recording, sending, answer].map(({ stage }) => stage),
      ["ready", "countdown", "recording", "sending", "answer"],
    );
    assert.equal(answer.clip, CLIP);
    assert.equal(answer.answer, ANSWER);
    assert.equal(answer.devices, DEVICES);
  });

  it("keeps the clip and the answer while the person enrols", () => {
    const answer = at("answer", { clip: CLIP, answer: ANSWER });
    const enrol = machine.startEnrolment(answer);
    const duplicate = machine.questionIdentity(enrol, {
      person_id: "ann",
      name: "Ann",
    });
    const enrolled = machine.finishEnrolment(duplicate, { templates: [] });
    for (const state of [enrol, duplicate, enrolled]) {
      assert.equal(state.clip, CLIP);
      assert.equal(state.answer, ANSWER);
    }
    assert.equal(machine.returnToAnswer(duplicate).stage, "answer");
  });

  it("takes a wrong name off the screen until the next answer", () => {
    const answer = machine.receiveAnswer(READY, ANSWER);
    const rejected = machine.rejectName(answer);
    assert.equal(answer.isRejected, false);
    assert.equal(rejected.isRejected, true);
    const back = machine.returnToAnswer(machine.startEnrolment(rejected));
    assert.equal(back.isRejected, true);
    assert.equal(machine.receiveAnswer(back, ANSWER).isRejected, false);
  });

  it("remembers what was answered before an enrolment, until the next one", () => {
    const enrol = machine.startEnrolment(at("answer", { clip: CLIP }));
    const asked = machine.questionName(enrol, "Ann");
    assert.equal(asked.takenName, "Ann");
    const namesake = machine.noteAnswer(asked, { isNamesake: true });
    assert.equal(namesake.entries, asked.entries);
    const alike = machine.questionIdentity(namesake, { person_id: "ann", name: "Ann" });
    const { said } = machine.noteAnswer(alike, { isSomebodyElse: true });
    assert.deepEqual(said, { isNamesake: true, isSomebodyElse: true });
    const nothing = { isNamesake: false, isSomebodyElse: false };
    assert.deepEqual(machine.startEnrolment(alike).said, nothing);
  });

  it("forgets everything about a person when the next one begins", () => {
    for (const stage of ALL_STAGES) {
      const facts = {
        clip: CLIP,
        answer: ANSWER,
        problem: PROBLEM,
        isRejected: true,
        takenName: "Ann",
      };
      const next = machine.reset(at(stage, facts));
      assert.deepEqual({ ...next, entries: 0 }, { ...READY, entries: 0 });
    }
  });

  it("waits at the welcome without devices", () => {
    assert.equal(machine.reset(at("answer", { devices: null })).stage, "welcome");
  });

  it("sends the clip that is there once more", () => {
    const problem = at("problem", { clip: CLIP });
    assert.equal(machine.startSending(problem).clip, CLIP);
  });

  it("never changes the state that it starts from", () => {
    assert.throws(() => (INITIAL_STATE.stage = "ready"), TypeError);
    machine.startCountdown(READY);
    assert.equal(READY.stage, "ready");
  });
});

describe("entering a stage", () => {
  it("is a change even if the stage stays the same", () => {
    assert.equal(machine.reset(READY).entries, READY.entries + 1);
  });

  it("does not count the recording, which shows what the countdown showed", () => {
    const countdown = machine.startCountdown(READY);
    assert.equal(machine.startRecording(countdown).entries, countdown.entries);
  });
});

describe("devices that open late", () => {
  it("do not interrupt whoever uses a file meanwhile", () => {
    const sending = machine.startSending(INITIAL_STATE, CLIP);
    const state = machine.useDevices(sending, DEVICES, "welcome");
    assert.deepEqual(state, { ...sending, devices: DEVICES });
  });

  it("do not interrupt either when they are refused", () => {
    const sending = machine.startSending(READY, CLIP);
    const state = machine.refuseDevices(sending, PROBLEM, "ready");
    assert.deepEqual(state, { ...sending, devices: null });
  });

  it("are a problem when they are refused and somebody waits for them", () => {
    const state = machine.refuseDevices(INITIAL_STATE, PROBLEM, "welcome");
    assert.equal(state.stage, "problem");
    assert.equal(state.problem, PROBLEM);
  });
});

describe("devices that are lost", () => {
  it("are a problem in every stage, and the clip stays", () => {
    for (const stage of ALL_STAGES) {
      const state = machine.loseDevices(at(stage, { clip: CLIP }), PROBLEM);
      assert.equal(state.stage, "problem");
      assert.equal(state.devices, null);
      assert.equal(state.clip, CLIP);
    }
  });
});

describe("Escape", () => {
  it("leads back to the start, except from a clip on its way", () => {
    for (const stage of ALL_STAGES) {
      const expected = stage === "sending" ? "sending" : "ready";
      assert.equal(machine.escape(at(stage)).stage, expected, stage);
    }
  });

  it("without devices only ends a recording", () => {
    for (const stage of ALL_STAGES) {
      const isEnded = stage === "countdown" || stage === "recording";
      const state = at(stage, { devices: null });
      assert.equal(machine.escape(state).stage, isEnded ? "welcome" : stage, stage);
    }
  });
});

describe("stages", () => {
  it("that show something about a person are those after sending", () => {
    const lingering = ALL_STAGES.filter((stage) => machine.isLingering(at(stage)));
    assert.deepEqual(lingering, [
      "answer",
      "enrol",
      "duplicate",
      "namesake",
      "enrolled",
      "problem",
    ]);
  });

  it("that capture a person are the countdown and the recording", () => {
    const capturing = ALL_STAGES.filter((stage) => machine.isCapturing(at(stage)));
    assert.deepEqual(capturing, ["countdown", "recording"]);
  });
});
