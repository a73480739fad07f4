// What the page /transcribe makes of the service's events: lines, voices, files.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import "./page.mjs";

const PAGES = "../../web/pages/static/js/transcribe";
const SHARED = "../../web/pages/static/js/shared";
const transcript = await import(`${PAGES}/transcript.js`);
const { FORMS, formatTime } = await import(`${SHARED}/exports.js`);
const { Transcript } = await import("../../web/pages/static/js/live/transcript.js");
const { readEvents } = await import(`${PAGES}/stream.js`);
const { nameSpeaker, nameSpeakers } = await import(`${SHARED}/speakers.js`);

const line = (start, end, speaker, more = {}) => ({
  start,
  end,
  text: `from ${start}`,
  speaker,
  personId: null,
  outcome: "unknown",
  decidedBy: null,
  overlap: false,
  ...more,
});

const LINES = [
  line(0, 2, "Ann", { personId: "ann", outcome: "named" }),
  line(2, 3, "unknown 1"),
  line(4, 9, "unknown 1"),
  line(9, 12, "unknown 1", { overlap: true }),
  line(12, 12.5, "unknown 2"),
];

describe("a transcript", () => {
  it("that is kept has lines as a new one has", () => {
    const segment = {
      start: 1,
      end: 2,
      text: "",
      speaker: "deleted person",
      person_id: null,
      outcome: "deleted",
      words: [],
    };
    const [first] = transcript.linesOfKept({ segments: [segment] });
    assert.deepEqual(Object.keys(first).sort(), Object.keys(LINES[0]).sort());
    assert.deepEqual(transcript.listTurns([first, first], "deleted person"), []);
    assert.equal(nameSpeaker(first.speaker), "Deleted person");
  });

  it("lists the voices with what they say", () => {
    const voices = transcript.listVoices(LINES);
    assert.deepEqual(
      voices.map(({ label, seconds }) => [label, seconds]),
      [
        ["Ann", 2],
        ["unknown 1", 9],
        ["unknown 2", 0.5],
      ],
    );
  });

  it("offers what a stranger says alone, the longest first", () => {
    assert.deepEqual(transcript.listTurns(LINES, "unknown 1"), [
      [4, 9],
      [2, 3],
    ]);
    assert.deepEqual(transcript.listTurns(LINES, "Ann"), []);
    assert.deepEqual(transcript.listTurns(LINES, "unknown 2"), []);
  });

  it("renames a voice everywhere", () => {
    const renamed = transcript.renameSpeaker(LINES, "unknown 1", {
      person_id: "bea",
      name: "Bea",
    });
    assert.deepEqual(
      renamed.map(({ speaker }) => speaker),
      ["Ann", "Bea", "Bea", "Bea", "unknown 2"],
    );
    assert.equal(renamed[1].personId, "bea");
    assert.equal(LINES[1].speaker, "unknown 1");
  });

  it("knows the line of a time", () => {
    assert.equal(transcript.findLine(LINES, 5), 2);
    assert.equal(transcript.findLine(LINES, 3.5), -1);
  });
});

describe("a file", () => {
  it("has times and speakers", () => {
    const [first] = LINES;
    assert.equal(FORMS.txt.write([first]), "Ann: from 0\n");
    assert.equal(
      FORMS.srt.write([first]),
      "1\n00:00:00,000 --> 00:00:02,000\nAnn: from 0\n",
    );
    assert.equal(
      FORMS.vtt.write([line(0, 2, "A<B", { text: "a & b" })]),
      "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v A&lt;B>a &amp; b\n",
    );
    assert.equal(JSON.parse(FORMS.json.write([first])).segments[0].person_id, "ann");
  });

  it("calls strangers as the page does", () => {
    const named = nameSpeakers([LINES[0], LINES[1], line(5, 6, "unknown")]);
    assert.deepEqual(
      named.map(({ speaker }) => speaker),
      ["Ann", "Unknown 1", "Somebody"],
    );
    assert.equal(LINES[1].speaker, "unknown 1");
  });

  it("of a live talk is as that of a recording", () => {
    const turn = { start_s: 1, end_s: 2.5, text: "Hi <all>", speaker: "unknown 1" };
    const talk = { turns: new Map([[7, turn]]) };
    const write = (form) => Transcript.prototype.write.call(talk, form);
    assert.equal(write("txt"), "Unknown 1: Hi <all>\n");
    assert.equal(
      write("srt"),
      "1\n00:00:01,000 --> 00:00:02,500\nUnknown 1: Hi <all>\n",
    );
    assert.match(write("vtt"), /\n<v Unknown 1>Hi &lt;all&gt;\n$/);
    assert.deepEqual(JSON.parse(write("json")), [turn]);
  });

  it("counts hours", () => {
    assert.equal(formatTime(3723.0046, ","), "01:02:03,005");
    assert.equal(formatTime(59.9999, ","), "00:01:00,000");
  });
});

describe("a stream", () => {
  const streamOf = (...parts) =>
    new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
        controller.close();
      },
    });

  it("is read however it is cut", async () => {
    const text = 'data: {"delta": "가"}\n\ndata: {"delta": "b"}\n\n';
    const bytes = new TextEncoder().encode(text);
    const cut = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
        controller.close();
      },
    });
    const events = [];
    for await (const event of readEvents(cut)) events.push(event.delta);
    assert.deepEqual(events, ["가", "b"]);
  });

  it("may hold several events in a part, and comments between them", async () => {
    const events = [];
    for await (const event of readEvents(
      streamOf('data: {"n":1}\n\n: \n\ndata: {"n":2}\n\n'),
    )) {
      events.push(event.n);
    }
    assert.deepEqual(events, [1, 2]);
  });
});

describe("a name", () => {
  it("of a stranger is in the page's language", () => {
    assert.equal(nameSpeaker("unknown 2"), "Unknown 2");
    assert.equal(nameSpeaker("unknown"), "Somebody");
    assert.equal(nameSpeaker("Ann"), "Ann");
  });
});
