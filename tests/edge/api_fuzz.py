"""The API under Schemathesis: thousands of requests made from its OpenAPI document, all checks, for each role.

`python -m tests.edge.api_fuzz` (or `make fuzz`) is the full run; `test_fuzzed.py` is a short one. The engine runs in
this process, so that every order and insight is really applied.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from decision_stream.edge.api_settings import ApiSettings
from decision_stream.edge.read_model import Filter
from decision_stream.model.actuation import Directive
from decision_stream.model.command import Autonomy, SetAutonomy
from decision_stream.model.outcome import Outcome
from tests.edge.callers import TOKENS, with_letter
from tests.edge.engine import Engine
from tests.edge.fleet import PlayedFleet
from tests.edge.served import served
from tests.factories import command

ROLES = {"viewer": "vera", "operator": "otto", "admin": "ada"}
WAITING = 40
HOOKS = Path(__file__).with_name("api_fuzz_hooks.py")
# An insight may be refused for what no schema can say: its time lies ahead of the clock, or its shares do not add up.
CONFIG = """
continue-on-failure = true
hooks = "{hooks}"
headers = {{ Authorization = "Bearer {secret}" }}

[cache]
directory = "{folder}/cache"

[reports.json]
enabled = true
path = "{folder}/report.json"

[generation]
database = "none"

[dictionaries]
known = {{ values = {known} }}
scopes = {{ values = {scopes} }}
times = {{ values = [{newest}, {newest_of_all}] }}

[parameters]
"path.identifier" = {{ dictionary = "known", probability = 0.5 }}
"path.scope" = {{ dictionary = "scopes", probability = 0.5 }}
"body.insights[*].scope" = {{ dictionary = "scopes", probability = 0.8 }}
"body.insights[*].at_ms" = {{ dictionary = "times", probability = 0.9 }}

[[operations]]
include-operation-id = "submit_insights"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 422]
"""


class _Fleet(PlayedFleet):
    """The fleet beside scopes of which its actuator knows nothing; there every order is carried out."""

    def carried_out(self, directive: Directive) -> list[Outcome]:
        """What the actuator of the scope answers."""
        if directive.scope in self.world.scopes:
            return super().carried_out(directive)
        return Engine.carried_out(self, directive)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What a run came to; `statuses` counts the answers."""

    cases: int
    failures: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    exit_code: int
    output: str
    statuses: dict[int, int]

    @property
    def server_errors(self) -> int:
        """Answers from 500 on."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


def fuzz(role: str, examples: int, seed: int = 1) -> Fuzzed:
    """Fuzz every operation as this role, with so many examples each in every phase."""
    engine = _Fleet(60)
    for number in range(WAITING):
        scope = f"acme/waiting/{number}"
        engine.tell(command(0, SetAutonomy(level=Autonomy.APPROVE), scope=scope))
        engine.switch(scope)
    known = [row["id"] for row in engine.model.decisions(Filter(), 100)] + [with_letter(engine.model)]
    scopes = [row["scope"] for row in engine.model.scopes(None)]
    settings = ApiSettings(tokens=TOKENS, max_failed_tokens=10_000, max_requests_per_s=1e6, max_orders_per_s=1e6)
    statuses: dict[int, int] = {}
    with TemporaryDirectory() as folder, served(engine, settings, on_status=lambda it: _count(statuses, it)) as address:
        told = CONFIG.format(
            hooks=HOOKS,
            secret=ROLES[role],
            folder=folder,
            known=json.dumps(known),
            scopes=json.dumps(scopes),
            newest=max(row["at_ms"] for row in engine.model.scopes(None)),
            newest_of_all=int(time.time() * 1_000),
        )
        config = Path(folder) / "schemathesis.toml"
        config.write_text(told)
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "--no-color", "run"),
                *(f"{address}/openapi.json", "--checks", "all", "--seed", str(seed)),
                *("--max-examples", str(examples), "--no-shrink", "--suppress-health-check", "all"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        report = json.loads((Path(folder) / "report.json").read_text())
    return Fuzzed(
        cases=report["test_cases"]["generated"],
        failures=report["failures"],
        errors=report["errors"],
        exit_code=ran.returncode,
        output=ran.stdout + ran.stderr,
        statuses=dict(sorted(statuses.items())),
    )


def _count(statuses: dict[int, int], status: int) -> None:
    statuses[status] = statuses.get(status, 0) + 1


def main() -> int:
    """The full run, all roles; prints what was found."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    worst = 0
    for role in ROLES:
        begun = time.monotonic()
        found = fuzz(role, examples)
        if found.exit_code:
            print(found.output)
        took = time.monotonic() - begun
        print(
            f"{role}: {found.cases:,} cases in {took:.0f} s, {len(found.failures)} failures, statuses {found.statuses}"
        )
        worst = max(worst, found.exit_code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
