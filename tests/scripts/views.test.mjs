import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { EN } from "./page.mjs";

const JS = "../../web/pages/static/js";
const { adviceFor, explain } = await import(`${JS}/kiosk/answer-view.js`);
const { describeProblem, waysOn } = await import(`${JS}/kiosk/problem-view.js`);
const { comparisonOf, describeSilence, fillOf, modalitiesOf } = await import(
  `${JS}/shared/bars.js`
);
const { initialsOf } = await import(`${JS}/shared/avatar.js`);
const { DeviceError } = await import(`${JS}/shared/devices.js`);
const { errorFromAnswer, serverGone } = await import(`${JS}/shared/errors.js`);
const { choosePerson } = await import(`${JS}/verify/person-choice.js`);
const { describeCertainty } = await import(`${JS}/verify/result.js`);
const { nextIndex } = await import(`${JS}/people/map.js`);
const { closestPairs } = await import(`${JS}/people/matrix.js`);
const { describeQuality } = await import(`${JS}/people/row.js`);

const failure = (status, code) => errorFromAnswer(status, { error: { code } }, null);

describe("the ways on after a problem", () => {
  it("begin with sending again when the clip may still be accepted", () => {
    assert.deepEqual(waysOn(serverGone(), true), ["resend", "retry"]);
    assert.deepEqual(waysOn(failure(503, "busy"), true), ["resend", "retry"]);
  });

  it("say that the clip is still here, where there is one", () => {
    const gone = EN["error.server_gone"];
    assert.equal(describeProblem(serverGone(), false), gone);
    const kept = EN["problem.clip_kept"];
    assert.equal(describeProblem(serverGone(), true), `${gone} ${kept}`);
    assert.doesNotMatch(gone, /clip/); // lists and forms say it, too
  });

  it("are only a new try without a clip, or when this clip is no good", () => {
    assert.deepEqual(waysOn(serverGone(), false), ["retry"]);
    assert.deepEqual(waysOn(failure(422, "media_empty"), true), ["retry"]);
    assert.deepEqual(waysOn(new DeviceError("refused"), true), ["retry"]);
  });

  it("begin with the key when one is required", () => {
    const ways = waysOn(failure(401, "key_required"), true);
    assert.deepEqual(ways, ["give-key", "resend", "retry"]);
  });
});

describe("an answer without a name", () => {
  const decision = (outcome) => ({ outcome });
  const answer = ({
    fused = "unknown",
    face = "unknown",
    voice = "unknown",
    people = 3,
  }) => ({
    fused: decision(fused),
    face: decision(face),
    voice: decision(voice),
    gallery: { people },
    hints: [],
  });

  it("is explained by what stands out", () => {
    const cases = [
      [answer({ fused: "conflict" }), "answer.conflict"],
      [answer({ fused: "conflict", face: "accepted" }), "answer.conflict_voice"],
      [answer({ fused: "conflict", voice: "accepted" }), "answer.conflict_face"],
      [answer({ fused: "rejected", face: "rejected" }), "answer.rejected_about"],
      [answer({ face: "accepted" }), "answer.both_needed"],
      [answer({ people: 0 }), "answer.empty"],
      [answer({ face: "no_probe" }), "answer.voice_only"],
      [answer({ voice: "no_probe" }), "answer.face_only"],
      [answer({}), "answer.nobody"],
    ];
    for (const [body, key] of cases) assert.equal(explain(body), EN[key]);
  });

  it("comes with advice, the service's own where it gave some", () => {
    const hints = [{ code: "too_dark", text: "" }];
    assert.deepEqual(adviceFor(answer({})), [EN["answer.advice"]]);
    assert.deepEqual(adviceFor({ ...answer({}), hints }), [EN["hint.too_dark"]]);
    assert.deepEqual(adviceFor(answer({ people: 0 })), []);
    assert.deepEqual(adviceFor(answer({ fused: "accepted" })), []);
    assert.deepEqual(adviceFor(answer({ fused: "conflict" })), []);
  });

  it("asks nobody who is recognised to record again", () => {
    const again = [{ code: "unequal_length" }, { code: "long_clip" }];
    const hints = [...again, { code: "too_dark" }];
    const dark = EN["hint.too_dark"];
    assert.deepEqual(adviceFor({ ...answer({ fused: "accepted" }), hints }), [dark]);
    const all = [EN["hint.unequal_length"], EN["hint.long_clip"], dark];
    assert.deepEqual(adviceFor({ ...answer({}), hints }), all);
  });
});

describe("who does not confirm a name", () => {
  const answers = (decided_by, voice) => ({
    fused: { decided_by },
    face: { outcome: "accepted" },
    voice: { outcome: voice },
  });

  it("is the other one of the clip, if it says too little", () => {
    const silent = EN["answer.silent_voice"];
    assert.equal(describeSilence(answers("face", "unknown")), silent);
    assert.equal(describeSilence(answers("face", "no_probe")), "");
    assert.equal(describeSilence(answers("fused", "unknown")), "");
    assert.equal(
      describeSilence(answers("voice", "accepted")),
      EN["answer.silent_face"],
    );
  });
});

describe("a bar", () => {
  it("shows the score of a verdict and of a decision", () => {
    const verdict = { score: 0.7, threshold: 0.4 };
    assert.deepEqual(comparisonOf(verdict), verdict);
    assert.deepEqual(comparisonOf({ margin: 0.25, threshold: 0.5 }), {
      score: 0.75,
      threshold: 0.5,
    });
  });

  it("shows nothing when nothing was compared", () => {
    assert.equal(comparisonOf({ score: null, threshold: null }), null);
    assert.equal(comparisonOf({ margin: null, threshold: null }), null);
    assert.equal(comparisonOf({ margin: null, threshold: 0.5 }), null);
  });
});

describe("the fill of a bar", () => {
  it("reaches the mark at the threshold, and the end at 1", () => {
    const cases = [
      [-1, 0.5, 0],
      [0, 0.5, 0],
      [0.25, 0.5, 0.3],
      [0.5, 0.5, 0.6],
      [0.75, 0.5, 0.8],
      [1, 0.5, 1],
      [1.2, 0.5, 1],
      [1, 1, 0.6],
      [-0.2, -0.1, 0],
      [0, -0.1, 0.636],
    ];
    for (const [score, threshold, fill] of cases) {
      assert.ok(Math.abs(fillOf({ score, threshold }) - fill) < 0.001, [
        score,
        threshold,
      ]);
    }
  });
});

describe("initials", () => {
  it("are those of the first two words", () => {
    const cases = {
      "ann lee": "AL",
      "Ann Mary Lee": "AM",
      김하나: "김",
      "": "",
      "𝒜nn": "𝒜",
    };
    for (const [name, initials] of Object.entries(cases)) {
      assert.equal(initialsOf(name), initials);
    }
  });
});

describe("the choice of a person", () => {
  const ann = { person_id: "ann", name: "Ann Lee" };
  const twin = { person_id: "ann2", name: "Ann Lee" };
  const ben = { person_id: "ben", name: "Ben Ray" };

  it("takes the exact id or name, in capitals or not", () => {
    assert.equal(choosePerson([ann, ben], "ANN LEE"), ann);
    assert.equal(choosePerson([ann, twin], "ann2"), twin);
  });

  it("takes the only person who fits, but not without a search", () => {
    assert.equal(choosePerson([ben], "be"), ben);
    assert.equal(choosePerson([ben], ""), null);
  });

  it("takes nobody when two have the name", () => {
    assert.equal(choosePerson([ann, twin], "Ann Lee"), null);
    assert.equal(choosePerson([], "Ann"), null);
  });
});

describe("walking through the map", () => {
  it("goes around the ends, and begins at one", () => {
    assert.equal(nextIndex(1, 1, 3), 2);
    assert.equal(nextIndex(2, 1, 3), 0);
    assert.equal(nextIndex(0, -1, 3), 2);
    assert.equal(nextIndex(-1, 1, 3), 0);
    assert.equal(nextIndex(-1, -1, 3), 2);
  });
});

describe("the closest pairs", () => {
  it("are each listed once, the most alike first", () => {
    const scores = [
      [null, 0.2, 0.9],
      [0.2, 0.8, 0.4],
      [0.9, 0.4, null],
    ];
    const pairs = closestPairs({ scores }).map(({ row, column }) => [row, column]);
    assert.deepEqual(pairs, [
      [2, 0],
      [2, 1],
      [1, 0],
    ]);
  });

  it("are five at most", () => {
    const scores = Array.from({ length: 10 }, () => Array(10).fill(0.5));
    assert.equal(closestPairs({ scores }).length, 5);
  });
});

describe("the quality of a person's templates", () => {
  it("is listed for what there is", () => {
    assert.equal(
      describeQuality({ quality: { face: 0.88, voice: 0.91 } }),
      "88% · 91%",
    );
    assert.equal(describeQuality({ quality: { face: null, voice: 0.91 } }), "91%");
    assert.equal(describeQuality({ quality: { face: null, voice: null } }), "–");
  });
});

describe("the bars of an answer", () => {
  const answers = (decided_by, voice, fused = "accepted") => ({
    fused: { outcome: fused, decided_by },
    face: { outcome: "accepted" },
    voice: { outcome: voice },
  });

  it("are of both only where each matches, or nobody is named", () => {
    const both = ["fused", "face", "voice"];
    const each = ["face", "voice"];
    const cases = [
      [answers("fused", "accepted"), both],
      [answers("fused", "unknown"), each],
      [answers("face", "unknown"), each],
      [answers("face", "no_probe"), each],
      [answers(null, "unknown", "conflict"), both],
      [answers("fused", "unknown", "unknown"), both],
    ];
    for (const [body, expected] of cases)
      assert.deepEqual(modalitiesOf(body), expected);
  });
});

describe("a comparison of one person", () => {
  const verdicts = (voice) => ({
    fused: { outcome: "same", probability: 0.96, decided_by: "fused" },
    face: { outcome: "same" },
    voice: { outcome: voice },
  });

  it("says which of the two would not prove it", () => {
    const sure = `${EN["sure.quite"]} (96%).`;
    assert.equal(describeCertainty(verdicts("same")), sure);
    assert.equal(
      describeCertainty(verdicts("different")),
      `${sure} ${EN["verify.weak_voice"]}`,
    );
  });
});
