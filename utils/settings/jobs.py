"""Settings of batch jobs."""

from __future__ import annotations

from dataclasses import dataclass

from utils.settings.subject import Subject, setting


@dataclass(frozen=True)
class JobSettings(Subject):
    """Batch jobs."""

    broker_url: str = setting(
        "",
        "Celery broker (redis://host:6379/0) whose workers run the batch jobs. Empty: this"
        " service runs them.",
        secret=True,
    )
    job_days: float = setting(
        7.0, "Days for which the results of a finished batch job are kept.", 0.001, 3650
    )
