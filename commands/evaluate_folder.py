"""`cli.py evaluate FOLDER`: how often the gallery is right about clips that are labelled."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from commands.clips import MODALITIES
from commands.shared import describe, open_recognizer, open_store, refusals, report, to_json
from utils.config import Settings
from utils.errors import DuetError
from utils.finite_range import FiniteRange
from utils.path_option import PathOption
from utils.wording import count_noun

if TYPE_CHECKING:
    from gallery.store import Store
    from recognition.labelled import LabelledAnswer, Tally
    from recognition.recognizer import Recognizer

_LAYOUT = "The folder must hold one folder of clips per person."


@dataclass(frozen=True)
class LabelledClip:
    """A clip, what its folder calls the person, and the id made from that."""

    path: Path
    name: str
    label: str
    person_id: str


@dataclass
class Evaluation:
    """Answers about the clips, and which clips were left out or refused, and why."""

    answers: list[LabelledAnswer] = field(default_factory=list)
    enrolled: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@click.command("folder")
@click.argument("folder", type=PathOption(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--split",
    is_flag=True,
    help="Enrol the first clip of each person in a gallery for this once, and ask about the rest.",
)
@click.option(
    "--at-least",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="Exit with 1 if the accuracy by face and voice is lower.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@refusals
def evaluate_folder(folder: Path, *, split: bool, at_least: float, as_json: bool) -> None:
    """Ask who is in each clip of FOLDER, and count right, wrong and unknown answers.

    FOLDER holds a folder of clips for each person. People who are not in the gallery are
    strangers, and "unknown" is right for them. Clips that are enrolled themselves are
    left out. Documents and hidden files are left alone.

    The exit status is 0 if every clip is answered and nobody is given a wrong name by
    face and voice. Else it is 1.
    """
    clips, failures = list_clips(folder)
    settings = Settings.from_env()
    if split:
        _refuse_nothing_left(len(clips) - len({clip.person_id for clip in clips}))
    else:
        _refuse_empty_gallery(settings)
    with _open(settings, split) as opened:
        done = (_ask_rest if split else _ask_all)(opened, clips, settings)
    done.failures = failures + done.failures
    click.echo(_to_json(done) if as_json else "\n".join(format_evaluation(done)))
    report(done.failures)
    if not is_good(done.answers, at_least):
        raise click.exceptions.Exit(1)


def _refuse_empty_gallery(settings: Settings) -> None:
    """Raise UsageError where nobody is enrolled, before the networks are loaded."""
    with open_store(settings) as store:
        if store.count():
            return
    raise click.UsageError(
        f"Nobody is enrolled in {settings.storage.data_dir}. Enrol people with"
        " `cli.py enroll FOLDER`, or add --split to enrol and ask from this folder."
    )


def _refuse_nothing_left(count: int) -> None:
    """Raise UsageError where there is no clip to ask about."""
    if not count:
        raise click.UsageError(
            "No clip is left to ask about: each person needs one more than those that are enrolled."
            " Name a folder of other clips."
        )


def list_clips(folder: Path) -> tuple[list[LabelledClip], list[str]]:
    """List the clips of a folder, and those of which it does not say whose they are.

    Raises UsageError where there is no clip.
    """
    from jobs.clips import list_folder

    items = list_folder(folder, "enroll", None)
    if not items:
        raise click.UsageError(f"{_LAYOUT} No clip is in {folder}")
    clips = [
        LabelledClip(folder / item.media, item.name, Path(item.name).parts[0], item.person_id)
        for item in items
        if item.person_id is not None and item.refused is None
    ]
    refused = [f"{item.name}: {describe(item.refused)}" for item in items if item.refused]
    return clips, refused


@contextmanager
def _open(settings: Settings, split: bool) -> Iterator[Recognizer]:
    """Open the gallery of the settings, or an empty one that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        if split:
            settings = settings.replace(
                data_dir=Path(folder), database_url="", media_root=None, keep_media=False
            )
        with open_recognizer(settings, serving=True) as opened:
            yield opened


def _ask_all(
    recognizer: Recognizer, clips: Sequence[LabelledClip], settings: Settings
) -> Evaluation:
    """Ask about every clip that is not enrolled."""
    owners = _find_owners(recognizer.store, clips)
    done = Evaluation()
    asked = []
    for clip in clips:
        owner = owners[clip.person_id]
        if owner is not None and _is_enrolled(recognizer.store, owner, clip.path):
            done.enrolled.append(clip.name)
        else:
            asked.append((clip, owner))
    _ask(recognizer, asked, done, settings.limits.slots)
    return done


def _ask_rest(
    recognizer: Recognizer, clips: Sequence[LabelledClip], settings: Settings
) -> Evaluation:
    """Enrol the first clip of each person, and ask about the others."""
    done = Evaluation()
    firsts = {clip.person_id: clip for clip in reversed(clips)}
    by_name = sorted(firsts.values(), key=lambda clip: clip.name)
    for clip in tqdm(by_name, "enrol", unit="clip", disable=None):
        _enroll(recognizer, clip, done)
    asked = []
    for clip in clips:
        first = firsts[clip.person_id]
        if first.name in done.enrolled and clip is not first:
            asked.append((clip, clip.person_id))
        elif clip is not first:
            done.failures.append(f"{clip.name}: not asked, as {first.name} was not enrolled")
    _ask(recognizer, asked, done, settings.limits.slots)
    return done


def _enroll(recognizer: Recognizer, clip: LabelledClip, done: Evaluation) -> None:
    from gallery.names import display_name
    from gallery.store import NewPerson
    from recognition.requests import ClipFile, EnrolmentRequest

    person = NewPerson(clip.person_id, display_name(clip.person_id, clip.label))
    try:
        recognizer.enroll(EnrolmentRequest(person, (ClipFile(clip.path, clip.name),)))
        done.enrolled.append(clip.name)
    except DuetError as error:
        done.failures.append(f"{clip.name}: {describe(error)}")


def _ask(
    recognizer: Recognizer,
    clips: Sequence[tuple[LabelledClip, str | None]],
    done: Evaluation,
    slots: int,
) -> None:
    """Ask who is in each clip, `slots` at a time. Raises UsageError where there is none."""
    _refuse_nothing_left(len(clips))
    with ThreadPoolExecutor(slots) as pool:
        waiting = {pool.submit(_answer, recognizer, *one): one[0].name for one in clips}
        bar = tqdm(as_completed(waiting), "ask", total=len(waiting), unit="clip", disable=None)
        try:
            for answer in bar:
                _take(answer, waiting[answer], done)
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C
    done.answers.sort(key=lambda one: one.clip)
    done.failures.sort()


def _answer(recognizer: Recognizer, clip: LabelledClip, owner: str | None) -> LabelledAnswer:
    from recognition.labelled import LabelledAnswer
    from recognition.requests import EVALUATE, ClipFile, IdentificationRequest

    request = IdentificationRequest(ClipFile(clip.path, clip.name), action=EVALUATE)
    decisions = recognizer.identify(request).decisions
    return LabelledAnswer(clip.name, clip.label, owner, decisions)


def _take(answer: Future[LabelledAnswer], name: str, done: Evaluation) -> None:
    try:
        done.answers.append(answer.result())
    except DuetError as error:
        done.failures.append(f"{name}: {describe(error)}")


def _find_owners(store: Store, clips: Iterable[LabelledClip]) -> dict[str, str | None]:
    """Find whom of the gallery each folder is of, by id or else by the name."""
    labels = {clip.person_id: clip.label for clip in clips}
    return {person_id: _find_owner(store, person_id, label) for person_id, label in labels.items()}


def _find_owner(store: Store, person_id: str, label: str) -> str | None:
    from gallery.names import search_key

    if store.find_person(person_id) is not None:
        return person_id
    page = store.list_people(search=label, limit=1000)
    named = [p.person_id for p in page.people if search_key(p.name) == search_key(label)]
    return named[0] if len(named) == 1 else None


def _is_enrolled(store: Store, person_id: str, clip: Path) -> bool:
    from utils.file_hash import hash_file

    digest = hash_file(clip)
    return any(t.source_sha256 == digest for t in store.list_templates(person_id))


def is_good(answers: Sequence[LabelledAnswer], at_least: float) -> bool:
    """Whether nobody is named wrongly by face and voice, and enough is right."""
    from recognition.labelled import tally
    from utils.modality import Modality

    counts = tally(answers, Modality.FUSED)
    return not counts.wrong and (counts.accuracy or 0.0) >= at_least


def format_evaluation(done: Evaluation) -> list[str]:
    """Format the counts, the confusions and the accuracy as lines of text."""
    lines = []
    if done.enrolled:
        lines.append(f"{count_noun(len(done.enrolled), 'clip')} enrolled and not asked about.")
    for title, answers in _groups(done.answers):
        people = len({answer.label for answer in answers})
        lines += ["", f"{title}: {count_noun(len(answers), 'clip')} of {people}"]
        lines.append(f"  {'':14} {'right':>6} {'wrong':>6} {'unknown':>8} {'missing':>8}  accuracy")
        lines += _each(answers, _format_row)
    return [*lines, "", *_format_confusions(done.answers), *_each(done.answers, _format_accuracy)]


def _groups(answers: Sequence[LabelledAnswer]) -> list[tuple[str, list[LabelledAnswer]]]:
    in_gallery = [answer for answer in answers if answer.person_id is not None]
    strangers = [answer for answer in answers if answer.person_id is None]
    groups = [("People of the gallery", in_gallery), ("Strangers", strangers)]
    return [(title, group) for title, group in groups if group]


def _each(answers: Sequence[LabelledAnswer], write: Callable[[str, Tally], str]) -> Iterator[str]:
    """Write the counts of each modality."""
    from recognition.labelled import tally

    return (write(words, tally(answers, modality)) for modality, words in MODALITIES.items())


def _format_row(words: str, counts: Tally) -> str:
    figures = f"{counts.right:6} {counts.wrong:6} {counts.unknown:8} {counts.nothing:8}"
    return f"  {words:14} {figures}  {_format_share(counts)}"


def _format_accuracy(words: str, counts: Tally) -> str:
    return f"Accuracy by {words}: {counts.right} of {counts.with_evidence}, {_format_share(counts)}"


def _format_share(counts: Tally) -> str:
    return "-" if counts.accuracy is None else f"{counts.accuracy:.1%}"


def _format_confusions(answers: Sequence[LabelledAnswer]) -> list[str]:
    from recognition.labelled import list_confusions

    confusions = list_confusions(answers)
    if not confusions:
        return ["Nobody was taken for somebody else.", ""]
    lines = ["Taken for somebody else:"]
    for one in confusions:
        by = [f"by {MODALITIES[m]}: {', '.join(clips)}" for m, clips in one.clips.items()]
        lines.append(f"  {one.label} for {one.taken_for}, {'; '.join(by)}")
    return [*lines, ""]


def _to_json(done: Evaluation) -> str:
    from recognition.labelled import list_confusions

    in_gallery = [answer for answer in done.answers if answer.person_id is not None]
    strangers = [answer for answer in done.answers if answer.person_id is None]
    body = {
        "accuracy": _summarise(done.answers),
        "people": _summarise(in_gallery),
        "strangers": _summarise(strangers),
        "confusions": [asdict(one) for one in list_confusions(done.answers)],
        "clips": [_to_dict(answer) for answer in done.answers],
        "enrolled": done.enrolled,
        "failed": done.failures,
    }
    return to_json(body)


def _to_dict(answer: LabelledAnswer) -> dict[str, Any]:
    from recognition import as_json

    decisions = {
        str(modality): {"result": str(answer.result(modality)), **as_json.decision(decision)}
        for modality, decision in answer.decisions.items()
    }
    return {
        "clip": answer.clip,
        "label": answer.label,
        "person_id": answer.person_id,
        **decisions,
    }


def _summarise(answers: Sequence[LabelledAnswer]) -> dict[str, Any]:
    from recognition.labelled import tally

    counts = {str(modality): tally(answers, modality) for modality in MODALITIES}
    return {m: {**asdict(one), "accuracy": one.accuracy} for m, one in counts.items()}
