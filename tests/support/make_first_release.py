"""Make `tests/data/first_release.zip`: data folders that the first release wrote.

    python -m tests.support.make_first_release

The code of release 1.0.0 is taken from the history of the repository, and fills two data
folders, one in the clear and one encrypted. `facts.json` says what is in them. Ids, keys
and nonces are drawn from a seed. Times are those at which it runs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = ROOT / "tests/data/first_release.zip"
COMMIT = "4b43fe99e704f76bf2b494737a7988fa5d36c0c9"
"""The last commit of release 1.0.0."""

PROGRAM = """
import json, os, random, sys, uuid
from pathlib import Path

rng = random.Random(1)
os.urandom = rng.randbytes
uuid.uuid4 = lambda: uuid.UUID(bytes=rng.randbytes(16), version=4)
import numpy as np

from gallery.jobs import Jobs, NewItem, NewJob
from gallery.keys import Keys
from utils.types import Role
from gallery.sealing import new_key
from gallery.store import NewPerson, NewTemplate, open_store
from utils.config import Settings
from utils.types import Embedding, Modality

PEOPLE = [
    NewPerson("hong", "홍길동", "east door", "signed 2026-11-20", 36500),
    NewPerson("zoe", "Zoe", consent="yes"),
    NewPerson("lee", "李雷"),
    NewPerson("gone", "Gone"),
]


def templates(number, take=0):
    draw = np.random.default_rng([number, take])
    for modality in (Modality.FACE, Modality.VOICE):
        vector = draw.standard_normal(512)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        media = {"thumbnail": b"a picture"} if number == 0 and modality == "face" else {}
        yield NewTemplate(
            Embedding(vector, modality, f"{modality}-1"), 0.8, f"{number}-{take}", media
        )


def fill(folder, key):
    settings = Settings(data_dir=folder, encryption_key=key)
    folder.mkdir(parents=True)
    store = open_store(settings)
    for number, person in enumerate(PEOPLE):
        store.enroll(person, list(templates(number)))
    store.enroll("zoe", list(templates(1, 1)))
    store.delete_person("gone")
    _, text = Keys(store.database).create(Role.KIOSK, "east door")
    upload = folder / "media" / "uploads" / "clip.mp4"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"a clip")
    items = [NewItem("clip.mp4", "uploads/clip.mp4", uploaded=True)]
    job = Jobs(store.database).create(NewJob("identify", items))
    head = store.verify_audit().head
    facts = {
        "people": {p.person_id: p.name for p in store.list_people().people},
        "templates": {p.person_id: len(store.list_templates(p.person_id)) for p in PEOPLE[:3]},
        "thumbnail": store.thumbnail("hong").decode(),
        "vector": store.vectors_of("zoe", {Modality.FACE: "face-1"})[Modality.FACE]
        .vectors[0].tolist()[:8],
        "api_key": text,
        "job": job.job_id,
        "audit_head": str(head),
        "encryption_key": key,
    }
    store.close()
    return facts


out = Path(sys.argv[1])
facts = {"plain": fill(out / "plain", ""), "sealed": fill(out / "sealed", new_key())}
(out / "facts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False))
"""


def main() -> None:
    """Run the program on the code of the first release, and pack what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        made = Path(folder) / "made"
        code.mkdir()
        archive = subprocess.run(
            ["git", "archive", COMMIT, "gallery", "utils"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        subprocess.run(["tar", "-x"], cwd=code, input=archive, check=True)
        subprocess.run([sys.executable, "-c", PROGRAM, str(made)], cwd=code, check=True)
        with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_LZMA) as packed:
            for path in sorted(made.rglob("*")):
                if path.is_file():
                    packed.write(path, path.relative_to(made))
    print(f"{ARCHIVE.relative_to(ROOT)}: {ARCHIVE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
