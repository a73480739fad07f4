"""Why figures were not taken by the OpenTelemetry receiver."""

from __future__ import annotations

from dataclasses import dataclass

PROBLEMS = {
    "silent": "It does not answer ({fact}).",
    "slow": "It does not answer within {fact} s.",
    "refused": "It answers {fact}.",
    "file": "A file of OTEL_EXPORTER_OTLP_CERTIFICATE or its like cannot be read.",
    "failed": "They could not be encoded.",
}
"""Why figures were not taken, by code."""


@dataclass(frozen=True)
class Problem:
    """Why figures were not taken.

    Attributes:
        code: a key of PROBLEMS.
        fact: what is filled into its text.
    """

    code: str
    fact: str = ""

    @property
    def text(self) -> str:
        """The text for the log."""
        return PROBLEMS[self.code].format(fact=self.fact)
