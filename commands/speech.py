"""Models of speech to text, and their error rates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from commands.shared import FILE, output_file, place_option, refusals
from utils.config import Settings
from utils.finite_range import FiniteRange
from utils.path_option import PathOption

if TYPE_CHECKING:
    from speech.conditions import Condition
    from speech.evaluation import Result
    from speech.ports import Transcriber

TEXT = PathOption(path_type=Path)


@click.group()
def speech() -> None:
    """Look after speech to text (docs/speech.md)."""


@speech.command("models")
@refusals
def speech_models() -> None:
    """List the models of speech to text.

    Each line has name, state, languages, licence and the SHA-256 of the weights. The
    weights that are there are read and checked.
    """
    from speech.models import list_models

    for model in list_models(Settings.from_env().speech.speech_model):
        click.echo(f"{model.name}: {model.state}")
        if model.languages:
            click.echo(f"  languages: {model.languages}. Licence: {model.licence}")
            click.echo(f"  sha256: {model.sha256}")


@speech.command("evaluate")
@click.argument("manifest", type=FILE)
@click.option(
    "--media",
    type=PathOption(exists=True, path_type=Path),
    help="Folder or zip archive that the paths are in [default: the folder of the manifest].",
)
@click.option(
    "--engine",
    type=click.Choice(["whisper", "ctc"]),
    help="What writes [default: what the model is for].",
)
@click.option("--model", help="Name or folder of the model [default: DUET_SPEECH_MODEL].")
@click.option("--beam", "width", default=1, show_default=True, help="Width of the beam of ctc.")
@click.option("--words", type=TEXT, help="Text of the only words that ctc may write.")
@click.option("--ngram", type=TEXT, help="N-gram in the ARPA format that guides ctc.")
@click.option("--language", help="Code of the language [default: detected in each utterance].")
@click.option(
    "--snr", "snr_db", type=FiniteRange(-60, 120), help="Add white noise at this ratio in dB."
)
@click.option(
    "--conditions",
    "in_all",
    is_flag=True,
    help="Also measure in a room, in a hall, and in white noise of 20, 10, 5 and 0 dB.",
)
@click.option("--direct", is_flag=True, help="Ask the engine without voice activity and filters.")
@click.option("--limit", default=0, show_default=True, help="Utterances to measure; 0: all.")
@click.option(
    "--out",
    type=PathOption(dir_okay=False, path_type=Path),
    callback=place_option,
    help="JSON file for the whole report. A picture (PNG) is written beside it.",
)
@refusals
def speech_evaluate(manifest: Path, media: Path | None, out: Path | None, **values: Any) -> None:
    """Measure error rates on the recordings of MANIFEST.

    It is a CSV file with the columns path, text and, where it is known, speaker. Texts
    with digits are left out.
    """
    from speech.evaluation import describe_conditions

    report = describe_conditions(*_measure(manifest, media or manifest.parent, **values))
    _print_report(report)
    if out is not None:
        _write_report(report, out)


def _print_report(report: dict[str, Any]) -> None:
    """Print the rates of the first condition, and a line for each of the others."""
    for measure in ("cer_without_spaces", "cer", "wer"):
        one = report[measure]
        interval = one["interval_95"]
        around = f" (95 %: {interval[0]:.1%} to {interval[1]:.1%})" if interval else ""
        click.echo(f"{measure}: {one['rate']:.1%}{around}")
    click.echo(
        f"{report['utterances']} utterances, {report['left_out']} left out for their digits,"
        f" {report['duration_s']} s, {report['processor_time_per_second']} s of processor time"
        " a second"
    )
    for name, rates in list(report["conditions"].items())[1:]:
        click.echo(
            f"{name}: cer_without_spaces {rates['cer_without_spaces']:.1%},"
            f" cer {rates['cer']:.1%}, wer {rates['wer']:.1%}"
        )


def _write_report(report: dict[str, Any], out: Path) -> None:
    """Write a report as JSON, and its picture beside it."""
    from speech.error_plot import draw_report

    with output_file(out.with_suffix(".png")) as draft:
        draw_report(draft, report)
    with output_file(out) as draft:
        draft.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")


def _measure(
    manifest: Path,
    media: Path,
    *,
    language: str | None,
    snr_db: float | None,
    in_all: bool,
    direct: bool,
    limit: int,
    engine: str | None,
    **chosen: Any,
) -> tuple[dict[str, list[Result]], int]:
    """Measure the utterances of a manifest by condition, and count those that are left out."""
    from speech.evaluation import evaluate, read_manifest, write_by_session, write_directly

    conditions = _choose_conditions(snr_db, in_all=in_all)
    utterances, left_out = read_manifest(manifest)
    utterances = utterances[: limit or None]
    transcriber = _load_engine(engine, **chosen)
    transcriber.model.check_language(language)
    write = (write_directly if direct else write_by_session)(transcriber, language)
    measured = {}
    for condition in conditions:
        results = evaluate(utterances, media, write, condition=condition)
        bar = tqdm(results, condition.name, len(utterances), unit="utterance", disable=None)
        measured[condition.name] = list(bar)
    return measured, left_out


def _choose_conditions(snr_db: float | None, *, in_all: bool) -> tuple[Condition, ...]:
    from speech.conditions import CLEAN, CONDITIONS, in_noise

    if in_all and snr_db is not None:
        raise click.UsageError("--conditions has levels of noise of its own. Leave out --snr.")
    if in_all:
        return CONDITIONS
    return (CLEAN if snr_db is None else in_noise(snr_db),)


def _load_engine(
    engine: str | None, *, model: str | None, width: int, words: Path | None, ngram: Path | None
) -> Transcriber:
    """Load what is to be measured."""
    from speech.ctc.options import CtcOptions
    from speech.engines import count_threads, load_engine
    from speech.scribe import Scribe

    settings = Settings.from_env()
    stated = CtcOptions(width=width, words=words, ngram=ngram)
    if not (engine or model) and stated == CtcOptions():
        return Scribe(settings).load()
    return load_engine(
        model or settings.speech.speech_model,
        threads=count_threads(settings.speech.speech_threads),
        engine=engine or "",
        options=stated if stated != CtcOptions() else None,
    )
