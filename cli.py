#!/usr/bin/env python3
"""Command line of Duet ID: the gallery and the recognizer of the service, without HTTP.

The commands are in commands/. Exit status: 0 done, 1 something was refused, 2 wrong use,
130 Ctrl+C, 143 SIGTERM.
"""

from __future__ import annotations

from utils.interrupts import end_at_once, leave_in_order

if __name__ == "__main__":
    end_at_once()  # until a command begins: its packages take a while to load

from utils.python_version import check_python

check_python()  # before the packages, which other versions lack

import click

from commands import (
    audit,
    backup,
    bench,
    calibrate,
    client,
    clips,
    demo,
    doctor,
    encryption,
    enroll,
    evaluate,
    gallery,
    groups,
    jobs,
    keys,
    listen,
    models,
    people,
    plot,
    reembed,
    settings,
    speech,
    strangers,
    train,
    transcribe,
    transcripts,
    verify,
    visits,
    webhooks,
    wording,
)
from commands.faults import Program


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@wording.LANGUAGE
def cli(lang: str | None) -> None:
    """Identify people by face and voice.

    Settings are DUET_* environment variables. docs/reference/settings.md lists them.
    """


for _command in (
    demo.demo,
    enroll.enroll,
    clips.identify,
    verify.verify,
    clips.convert,
    transcribe.transcribe,
    transcripts.transcripts,
    listen.listen,
    speech.speech,
    people.people,
    keys.keys,
    audit.audit,
    models.models,
    calibrate.calibrate,
    evaluate.evaluate,
    train.train,
    bench.bench,
    jobs.jobs,
    jobs.worker,
    reembed.reembed,
    client.client,
    gallery.gallery,
    groups.groups,
    webhooks.events,
    webhooks.webhooks,
    visits.visits,
    strangers.strangers,
    settings.settings,
    backup.backup,
    backup.backups,
    backup.restore,
    backup.check,
    doctor.doctor,
    plot.plot,
):
    cli.add_command(_command)
for _command in (encryption.new_encryption_key, encryption.rotate_encryption):
    keys.keys.add_command(_command)

if __name__ == "__main__":
    leave_in_order()
    cli()
