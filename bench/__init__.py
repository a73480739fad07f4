"""Benchmarks of the product: `cli.py bench NAME`.

Each needs a checkout of the source: test data come from tests/support/.
"""

from __future__ import annotations

BENCHMARKS = {
    "accuracy": "Compare the face of fast, balanced and thorough answers on real clips.",
    "answers": "Record what a service answers to real clips, and compare two records.",
    "decode": "Compare decoders: PyAV, OpenCV, moviepy and ffmpeg alone.",
    "diarisation": "Measure who speaks when in talks, and who is named.",
    "encoders": "Time the networks and compare their size with common ones.",
    "encryption": "Measure what encryption at rest costs.",
    "fine-tuning": "Measure what fine-tuning on a place's own people gains and costs.",
    "forgetting": "Time the deletion of a person.",
    "gallery": "Measure search, memory, enrolment and start by the size of the gallery.",
    "growth": "Measure how times grow with clips, faces, people, templates and clients.",
    "identify": "Time an identification by a running service, and measure its memory.",
    "kiosk": "Time the kiosk: from the end of a recording to the answer on the screen.",
    "live": "Measure live transcription over real sockets: text, names, delay, memory.",
    "liveness": "Time the analysis of a clip with and without the checks for liveness.",
    "load": "Measure the throughput of a running service.",
    "one-person": "Measure how often an enrolment of one person, and of two, is refused.",
    "operator": "Time the list, its filters, a backup and a restore of 10,000 people.",
    "people": "Time the page /people in a browser.",
    "search": "Count whom the search of many people misses, and time it, without a database.",
    "shards": "Compare the answers of a gallery in parts, with copies of each, and of one process.",
    "side-by-side": "Compare a request with a release before, ffmpeg, and parts put together.",
    "soak": "Send good, bad and hostile media for half an hour, and watch the memory.",
    "strangers": "Group the clips of unknown visitors, and time the search among 1,000 of them.",
    "suspects": "Time the comparison of 10,000 people with each other, and the list of suspects.",
    "talking-faces": "Count the turns of videos that are named with and without the talking faces.",
    "templates": "Compare what can stand for a person of several templates.",
    "transcription": "Time words, names, and an identification beside a transcription.",
    "training": "Measure how fast a face or voice network trains.",
    "voices": "Measure a voice network by list, duration and channel.",
}
"""What each benchmark does, by name. "fine-tuning" is the module `bench.fine_tuning`, and so on."""
