"""Batch jobs: watched, worked on and cancelled in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn

import click
from tqdm import tqdm

from commands.shared import refusals
from utils.config import Settings
from utils.errors import ConfigError, MediaNotFoundError

if TYPE_CHECKING:
    from gallery.records.jobs import Job, JobItem, Jobs
    from jobs.worker import Workplace

WATCH_S = 0.5


@contextmanager
def open_workplace() -> Iterator[Workplace]:
    """Open what works on jobs here: recognizer, jobs and settings."""
    from assembly import build_recognizer
    from gallery.records.jobs import Jobs
    from jobs.worker import Workplace

    settings = Settings.from_env()
    built = build_recognizer(settings)
    try:
        yield Workplace(built, Jobs(built.store.database), settings)
    finally:
        built.close()


@contextmanager
def job_list() -> Iterator[tuple[Jobs, Settings]]:
    """The jobs without the networks."""
    from gallery.records.jobs import Jobs
    from gallery.store import open_store

    settings = Settings.from_env()
    store = open_store(settings)
    try:
        yield Jobs(store.database), settings
    finally:
        store.close()


def watch(place: Workplace, job: Job) -> None:
    """Work on a job here, on as many threads as there are recognition slots, with a
    progress bar: files done, clips/s, time left.

    Interrupted, it finishes the files that are being worked on. (Futures and not
    `Thread.join`: that takes a thread for ended when Ctrl-C comes while it waits, in
    Python 3.11.)
    """
    from concurrent.futures import ThreadPoolExecutor, wait
    from threading import Event

    from jobs.worker import work

    ended = Event()
    slots = min(place.settings.limits.slots, job.files)
    jobs = place.jobs
    with (
        ThreadPoolExecutor(slots) as pool,
        tqdm(total=job.files, unit="clip", disable=None) as progress,
    ):
        try:
            while True:
                _refuse_elsewhere(job)
                workers = [pool.submit(work, place, job.job_id, ended.is_set) for _ in range(slots)]
                while wait(workers, WATCH_S).not_done:
                    _show(progress, jobs.get(job.job_id))
                for worker in workers:
                    worker.result()
                _show(progress, now := jobs.get(job.job_id))
                if now.finished_at is not None:
                    break
                # A service has the last files, or the database takes nothing for the
                # moment
                ended.wait(WATCH_S)
        except KeyboardInterrupt:
            tqdm.write(f"Broken off. To go on: cli.py jobs run {job.job_id}", file=sys.stderr)
            raise
        finally:
            ended.set()


def _refuse_elsewhere(job: Job) -> None:
    from jobs.worker import is_readable

    if job.root is not None and not is_readable(job.root):
        raise MediaNotFoundError(
            "The folder of the job must be on this machine. Received: one that is not, or may not"
            " be read",
            "Run it where the folder is.",
        )


def _show(progress: tqdm[NoReturn], job: Job) -> None:
    """What has been done of a job."""
    progress.update(
        sum(n for state, n in job.counts.items() if state not in ("waiting", "running"))
        - progress.n
    )
    progress.set_postfix_str(f"{job.counts.get('failed', 0)} failed")


def told_error(item: JobItem) -> str:
    """Why a file failed, in one line."""
    error = item.error or {}
    return f"{error.get('code', '')}: {error.get('message', '').rstrip('.')}. {error.get('hint', '')}".rstrip()


def told(job: Job) -> str:
    """One line for a job."""
    counts = ", ".join(f"{n} {state}" for state, n in job.counts.items())
    return f"{job.job_id}\t{job.action}\t{job.state}\t{job.created_at:%Y-%m-%d %H:%M:%S}\t{counts}"


@click.group()
def jobs() -> None:
    """Batch jobs: list, show, work on and cancel them."""


@jobs.command("list")
@refusals
def jobs_list() -> None:
    """One line per job, newest first: id, action, state, time, files by state."""
    with job_list() as (known, _):
        for job in known.latest():
            click.echo(told(job))


@jobs.command("show")
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@refusals
def jobs_show(job_id: str, as_json: bool) -> None:
    """Progress and the result of every file."""
    from gallery.records.jobs import MAX_FILES

    with job_list() as (known, _):
        if not as_json:
            click.echo(told(known.get(job_id)))
        for item in known.items(job_id, limit=MAX_FILES):
            if as_json:
                click.echo(json.dumps(asdict(item), ensure_ascii=False))
            else:
                click.echo(f"  {item.state:9} {item.name}  {told_result(item)}")


def told_result(item: JobItem) -> str:
    """What came of a file, in a few words."""
    if item.error:
        return told_error(item)
    if item.result and "fused" in item.result:
        decision = item.result["fused"]
        return decision["match"]["person_id"] if decision["match"] else decision["outcome"]
    return f"enrolled for {item.person_id}" if item.state == "done" else ""


@jobs.command("run")
@click.argument("job_id")
@refusals
def jobs_run(job_id: str) -> None:
    """Work on a job here until it is done, for example one that was broken off."""
    with open_workplace() as place:
        watch(place, place.jobs.get(job_id))
        click.echo(told(place.jobs.get(job_id)))


@jobs.command("cancel")
@click.argument("job_id")
@refusals
def jobs_cancel(job_id: str) -> None:
    """Files that wait are not worked on; a job that has ended is removed with its
    results.
    """
    from gallery.records.jobs import remove_uploads

    with job_list() as (known, settings):
        job, media = known.cancel(job_id)
        remove_uploads(settings.storage.media_folder, media)
        click.echo(told(job))


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
    """Work on the jobs of DUET_BROKER_URL until stopped; on any machine with the same
    database and media root.
    """
    from jobs.broker import run_worker

    settings = Settings.from_env()
    if not settings.jobs.broker_url:
        raise ConfigError(
            "A worker needs the broker that wakes it: DUET_BROKER_URL. Received: none",
            "Without a broker the service itself works on the jobs.",
        )
    run_worker(settings, threads)
