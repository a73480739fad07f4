"""Batch jobs: watched, worked on and cancelled in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NoReturn

import click
from tqdm import tqdm

from commands.hints import HINTS
from commands.shared import (
    encoding_option,
    format_error,
    output_file,
    print_file,
    print_lines,
    refusals,
    to_json,
)
from commands.wording import word_code
from utils.config import Settings
from utils.errors import ConfigError, MediaNotFoundError, fill_hint
from utils.moments import format_moment
from utils.path_option import PathOption

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from gallery.records.jobs import Job, JobItem, Jobs
    from jobs.worker import Workplace

WATCH_S = 0.5
MOST_SHOWN = 4


@contextmanager
def open_workplace() -> Iterator[Workplace]:
    """Open what works on jobs here: recognizer, jobs and settings."""
    from assembly import build_recognizer
    from gallery.records.jobs import Jobs
    from jobs.worker import Workplace
    from speech.scribe import Scribe

    settings = Settings.from_env()
    with closing(build_recognizer(settings, serving=True)) as built:
        jobs = Jobs(built.store.database, built.store.codec)
        yield Workplace(built, jobs, settings, Scribe(settings))


@contextmanager
def open_jobs() -> Iterator[tuple[Jobs, Settings]]:
    """Open the jobs and the settings, without the networks."""
    from gallery.records.jobs import Jobs
    from gallery.store import open_store

    settings = Settings.from_env()
    with closing(open_store(settings)) as store:
        yield Jobs(store.database, store.codec), settings


def watch(place: Workplace, job: Job) -> None:
    """Work on a job here, with a progress bar: files done, clips/s, time left.

    There are as many threads as recognition slots. Interrupted, it finishes the files
    that are being worked on.
    """
    from concurrent.futures import ThreadPoolExecutor

    ended = Event()
    slots = min(place.settings.limits.slots, job.files)
    with (
        ThreadPoolExecutor(slots) as pool,
        # What was done before counts for no speed
        tqdm(total=job.files, initial=job.finished_files, unit="file", disable=None) as progress,
    ):
        try:
            while True:
                _check_folder(job)
                workers = [_start_worker(pool, place, job, ended) for _ in range(slots)]
                job = _wait_for(workers, place.jobs, job.job_id, progress)
                if job.finished_at is not None:
                    break
                # A service has the last files, or the database takes nothing now
                ended.wait(WATCH_S)
        except KeyboardInterrupt:
            tqdm.write(f"Interrupted. Resume with: cli.py jobs run {job.job_id}", file=sys.stderr)
            raise
        finally:
            ended.set()


def _start_worker(
    pool: ThreadPoolExecutor, place: Workplace, job: Job, ended: Event
) -> Future[int]:
    from jobs.worker import work

    return pool.submit(work, place, job.job_id, ended.is_set)


def _wait_for(workers: list[Future[int]], jobs: Jobs, job_id: str, progress: tqdm[NoReturn]) -> Job:
    """Show the progress until the workers end. Returns the job as it is then.

    Futures and not `Thread.join`, which in Python 3.11 takes a thread for ended when
    Ctrl-C comes while it waits.
    """
    from concurrent.futures import wait

    while wait(workers, WATCH_S).not_done:
        job = jobs.get(job_id)
        _show_progress(progress, job, _describe_recordings(jobs, job))
    for worker in workers:
        worker.result()
    job = jobs.get(job_id)
    _show_progress(progress, job)
    return job


def _check_folder(job: Job) -> None:
    """Raise MediaNotFoundError unless this machine can read the folder of the job."""
    from jobs.worker import is_readable

    if job.root is not None and not is_readable(job.root):
        raise MediaNotFoundError(
            "The folder of the job is not on this machine, or may not be read.",
            "Run the job where the folder is.",
        )


def _describe_recordings(jobs: Jobs, job: Job) -> str:
    """Say how far the recordings are that are being written down."""
    if job.action != "transcribe":
        return ""
    running = jobs.items(job.job_id, limit=MOST_SHOWN, states=("running",))
    return "".join(f", {format_progress(item.progress)}" for item in running if item.progress)


def format_progress(progress: Mapping[str, Any]) -> str:
    """Format how far a recording is."""
    return (
        f"{progress['heard_s']:.0f} of {progress['duration_s']:.0f} s, {progress['words']} words,"
        f" {progress['real_time_factor']:.2f} x real time, {progress['left_s']:.0f} s left"
    )


def _show_progress(progress: tqdm[NoReturn], job: Job, recordings: str = "") -> None:
    progress.update(job.finished_files - progress.n)
    progress.set_postfix_str(f"{job.counts.get('failed', 0)} failed{recordings}")


def format_item_error(item: JobItem) -> str:
    """Say in one line why a file failed. Empty if it did not."""
    return format_error(**fill_hint(item.error, HINTS)) if item.error else ""


def list_failures(jobs: Jobs, job_id: str) -> list[str]:
    """List the files that came to nothing, one a line, with the reason."""
    failed = [
        f"{item.name}: {format_item_error(item)}" for item in jobs.every_item(job_id, "failed")
    ]
    cancelled = [
        f"{item.name}: the job was cancelled" for item in jobs.every_item(job_id, "cancelled")
    ]
    return failed + cancelled


def format_job(job: Job, interrupted: Collection[str] = ()) -> str:
    """Format a job as one line: id, action, state, time, files by state.

    The state of those whose id is in `interrupted` is that nobody works on them.
    """
    counts = ", ".join(f"{n} {state}" for state, n in job.counts.items())
    state = "interrupted" if job.job_id in interrupted else job.state
    return f"{job.job_id}\t{job.action}\t{state}\t{format_moment(job.created_at)}\t{counts}"


@click.group()
def jobs() -> None:
    """Batch jobs: list, show, work on and cancel them."""


@jobs.command("list")
@refusals
def jobs_list() -> None:
    """One line per job, newest first: id, action, state, time, files by state."""
    with open_jobs() as (all_jobs, _):
        interrupted = all_jobs.interrupted_jobs()
        listed = (format_job(job, interrupted) for job in all_jobs.latest())
        print_lines(listed, "There is no job.")


@jobs.command("show")
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@refusals
def jobs_show(job_id: str, as_json: bool) -> None:
    """Progress and the result of every file."""
    from gallery.records.jobs import MAX_FILES

    with open_jobs() as (all_jobs, _):
        if not as_json:
            click.echo(format_job(all_jobs.get(job_id), all_jobs.interrupted_jobs()))
        for item in all_jobs.items(job_id, limit=MAX_FILES):
            click.echo(format_item_json(item) if as_json else format_item(item))


def format_item_json(item: JobItem) -> str:
    """Format a file of a job as one JSON object."""
    error = fill_hint(item.error, HINTS) if item.error else None
    return to_json(asdict(item) | {"error": error})


def format_item(item: JobItem) -> str:
    """Format a file of a job as one line: state, name, result."""
    if item.state == "running" and item.progress:
        return f"  {item.state:9} {item.name}  {format_progress(item.progress)}"
    return f"  {item.state:9} {item.name}  {format_result(item)}"


def format_result(item: JobItem) -> str:
    """Say in a few words what came of a file."""
    if item.error:
        return format_item_error(item)
    if item.result and "fused" in item.result:
        decision = item.result["fused"]
        match = decision["match"]
        return str(match["person_id"] if match else decision["outcome"])
    if item.result and "segments" in item.result:
        return f"{len(item.result['words'])} words"
    if item.state != "done":
        return ""
    before = " before" if was_enrolled(item) else ""
    return f"enrolled for {item.person_id}{before}"


def was_enrolled(item: JobItem) -> bool:
    """Whether a file was enrolled before, so that nothing was added."""
    from recognition.results import ALREADY_ENROLLED  # numpy: --help does without it

    hints = (item.result or {}).get("hints", ())
    return any(hint["code"] == ALREADY_ENROLLED.code for hint in hints)


@jobs.command("report")
@click.argument("job_id")
@click.option(
    "--to",
    "file",
    type=PathOption(dir_okay=False, path_type=Path),
    help="CSV file to write; default: print.",
)
@click.option(
    "--table",
    type=PathOption(exists=True, dir_okay=False, path_type=Path),
    help="The table of the enrolment: names those who were refused.",
)
@encoding_option
@refusals
def jobs_report(job_id: str, file: Path | None, table: Path | None, encoding: str) -> None:
    """What became of each person of a job that enrols, as CSV."""
    from jobs.enrolment_report import names_in_table, report_people, write_report
    from jobs.people_table import open_table

    names = names_in_table(open_table(table, encoding)) if table else {}
    with open_jobs() as (all_jobs, _):
        all_jobs.get(job_id)
        text = write_report(report_people(all_jobs.every_item(job_id), HINTS, names, word_code))
    if file is None:
        print_file(text.removeprefix("\ufeff"))
        return
    with output_file(file) as draft:
        draft.write_text(text, "utf-8", newline="")
    click.echo(f"Wrote {file}.")


@jobs.command("run")
@click.argument("job_id")
@refusals
def jobs_run(job_id: str) -> None:
    """Work on a job here until it is done, for example one that was interrupted."""
    with open_jobs() as (all_jobs, _):
        job = all_jobs.get(job_id)  # before the networks are loaded
    _check_folder(job)
    if job.finished_at is not None:
        click.echo(format_job(job))
        return
    with open_workplace() as place:
        watch(place, place.jobs.get(job_id))
        click.echo(format_job(place.jobs.get(job_id), place.jobs.interrupted_jobs()))


@jobs.command("cancel")
@click.argument("job_id")
@refusals
def jobs_cancel(job_id: str) -> None:
    """Cancel a job: files that wait are not worked on.

    A job that has ended is removed with its results.
    """
    from gallery.records.job_files import remove_uploads

    with open_jobs() as (all_jobs, settings):
        had_ended = all_jobs.get(job_id).finished_at is not None
        job, media = all_jobs.cancel(job_id)
        remove_uploads(settings.storage.media_folder, media)
        click.echo(f"Removed: {job_id}" if had_ended else format_job(job))


@click.command()
@click.option(
    "--threads",
    default=2,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Clips worked on at the same time.",
)
@refusals
def worker(threads: int) -> None:
    """Work on the jobs of DUET_BROKER_URL until stopped.

    It may run on any machine with the same database and media root.
    """
    from jobs.broker import run_worker

    settings = Settings.from_env()
    if not settings.jobs.broker_url:
        raise ConfigError(
            "A worker needs the broker that wakes it. DUET_BROKER_URL is not set.",
            "Without a broker the service itself works on the jobs.",
        )
    run_worker(settings, threads)
