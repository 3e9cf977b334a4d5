"""Secrets are told to nobody: worker and API run on a Kafka with TLS and SASL and a Redis with a password, everything
that can go wrong goes wrong, and whatever they said, at any level of the log, is searched for the secrets.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from decision_stream.broker.embedded import EmbeddedKafka
from decision_stream.broker.topics import apply_now, topic_table
from decision_stream.settings import load, shown
from decision_stream.wire.codec import encode
from tests.edge.redis_server import PASSWORD, RedisServer
from tests.factories import SCOPE, estimate, insight
from tests.kafka.bench import Bench
from tests.kafka.secured import USER, secured_kafka
from tests.kafka.test_api import free_port

TOKEN, BAD_TOKEN = "canary-token-41c9", "canary-guess-77f0"
SASL, WRONG_SASL = "canary-sasl-902b", "canary-wrong-5512"
HOOK_SECRET, HOOK_PATH = "canary-hook-secret-1f6d", "canary-hook-path-88ab"
CANARIES = (TOKEN, BAD_TOKEN, SASL, WRONG_SASL, HOOK_SECRET, HOOK_PATH, PASSWORD, sha256(TOKEN.encode()).hexdigest())
CHEAPER = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


def found_in(said: str) -> list[str]:
    """The canaries that somebody told, in any of the forms in which a secret travels."""
    return [it for it in CANARIES if it in said or it.encode().hex() in said]


@dataclass
class Stage:
    """Where all of it runs, and everything that was said."""

    folder: Path
    kafka: EmbeddedKafka
    secure: str
    authority: Path
    redis: RedisServer
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ("api", "metrics")})
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    how: str = "environment"

    def sections(self, **more: object) -> dict[str, dict[str, object]]:
        """The settings; `more` are keys such as `kafka__sasl_password_file`."""
        (self.folder / "password").write_text(SASL)
        (self.folder / "wrong").write_text(WRONG_SASL)
        told: dict[str, dict[str, object]] = {
            "kafka": {
                "partitions": 4, "app_id": "canaries", "profile": "production", "security_protocol": "SASL_SSL",
                "sasl_mechanism": "PLAIN", "sasl_username": USER, "ssl_ca_file": str(self.authority),
                "sasl_password_file": str(self.folder / "password"),
            },
            "api": {
                "port": self.ports["api"],
                "redis_url": self.redis.url,
                "tokens": [{"name": "ada", "role": "admin", "sha256": sha256(TOKEN.encode()).hexdigest()}],
                "webhook": {"url": f"http://127.0.0.1:{free_port()}/{HOOK_PATH}", "secret": HOOK_SECRET},
            },
            "monitoring": {"metrics_port": self.ports["metrics"], "log_level": "debug", "log_format": "json"},
            "safety": {"autonomy": "approve"},
        }  # fmt: skip
        for name, value in more.items():
            section, key = name.split("__", 1)
            told[section][key] = value
        return told

    def call(self, *words: str, **more: object) -> tuple[list[str], dict[str, str]]:
        """Arguments and environment of a command under these settings, by file or by environment."""
        sections, environment = self.sections(**more), dict(os.environ)
        arguments = [sys.executable, "-m", "decision_stream", *words]
        if self.how == "file":
            path = self.folder / f"{len(self.said)}-{len(self.running)}.yaml"
            path.write_text(yaml.safe_dump(sections))
            return [*arguments, "--config", str(path)], environment
        for section, keys in sections.items():
            for key, value in keys.items():
                name = f"DS_{section}__{key}".upper()
                environment[name] = value if isinstance(value, str) else json.dumps(value)
        return arguments, environment

    def run(self, *words: str, **more: object) -> int:
        """Run a command to its end, which must come by itself; returns its status."""
        arguments, environment = self.call(*words, **more)
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)
        self.said.append(done.stdout + done.stderr)
        return done.returncode

    def begin(self, *words: str, **more: object) -> subprocess.Popen[bytes]:
        """Start a process whose output is kept."""
        arguments, environment = self.call(*words, **more)
        output = (self.folder / f"said-{len(self.running)}").open("wb")
        self.running.append(subprocess.Popen(arguments, env=environment, stdout=output, stderr=output))
        output.close()
        return self.running[-1]

    def ask(self, path: str, *, port: str = "api", token: str | None = TOKEN, body: object = None) -> int:
        """The status of a request, whose answer is kept; 0 without one."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[port]}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.said.append(str(answer.headers) + answer.read().decode())
                return answer.status
        except urllib.error.HTTPError as fault:
            self.said.append(str(fault.headers) + fault.read().decode())
            return fault.code
        except OSError:
            return 0

    def until(self, path: str, wanted: int, *, port: str = "api", seconds: float = 40.0) -> None:
        """Ask until the answer has this status."""
        deadline = time.monotonic() + seconds
        while (status := self.ask(path, port=port)) != wanted:
            assert all(process.poll() is None for process in self.running), self.everything()[-3_000:]
            assert time.monotonic() < deadline, f"{path} is still answered with {status}"
            time.sleep(0.1)

    def everything(self) -> str:
        """All that was said."""
        return "\n".join([*self.said, *(path.read_text(errors="replace") for path in self.folder.glob("said-*"))])


@pytest.fixture(params=["environment", "file"])
def stage(request, tmp_path) -> Iterator[Stage]:
    """A Kafka with TLS and SASL, and a Redis with a password; the settings come this way."""
    kafka, secure, authority = secured_kafka(tmp_path, SASL)
    redis = RedisServer()
    redis.start()
    with kafka:
        specs = topic_table(prefix="ds.", app_id="canaries", partitions=4)
        assert apply_now(kafka.bootstrap_servers, specs) == ()
        made = Stage(tmp_path, kafka, secure, authority, redis, how=request.param)
        try:
            yield made
        finally:
            for process in made.running:
                process.kill()
                process.wait()
            redis.kill()


async def test_no_secret_is_told_whatever_goes_wrong(stage: Stage):
    # Let in by password, over TLS, it works.
    stage.begin("run", "-b", stage.secure)
    stage.begin("api", "-b", stage.secure)
    stage.until("/readyz", 200, port="metrics")
    stage.until("/api/v1/scopes", 200)
    bench = Bench(bootstrap_servers=stage.kafka.bootstrap_servers, app_id="canaries", prefix="ds.", partitions=4)
    now_ms = time.time_ns() // 1_000_000
    insights = [replace(insight(n, candidates=CHEAPER), at_ms=now_ms - 5_000 + 1_000 * n) for n in range(1, 4)]
    await bench.publish("insights", [(SCOPE.encode(), encode(it)) for it in insights] + [(SCOPE.encode(), b"oops")])
    # A decision waits, of which the webhook cannot tell: nobody listens there.
    await bench.wait_for("journal", lambda records: any(b"awaiting_approval" in record.value for record in records))
    await bench.wait_for("dead-letters", lambda records: len(records) >= 1)
    deadline = time.monotonic() + 30
    while "webhook not delivered" not in stage.everything():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # Every page, bad tokens, a token where none belongs, what is no request.
    for path in ("/health", "/openapi.json", "/", "/api/v1/policy", "/api/v1/statistics", "/api/v1/approvals",
                 "/api/v1/dead-letters", f"/api/v1/scopes/{SCOPE}", f"/api/v1/scopes/{SCOPE}/audit"):  # fmt: skip
        assert stage.ask(path) == 200
    assert stage.ask("/api/v1/policy", token=BAD_TOKEN) == 401
    assert stage.ask(f"/api/v1/policy?token={TOKEN}", token=None) == 401
    assert stage.ask("/api/v1/decisions", body={"insights": [{"id": 1}]}) == 422
    assert stage.ask("/metrics", port="metrics") == 200
    # Redis goes away, and comes back with another password.
    stage.redis.kill()
    stage.until("/api/v1/policy", 200)
    assert stage.ask("/api/v1/decisions") == 503
    # The same settings shown; a mistake beside the secrets; passwords that are wrong.
    assert stage.run("config", "show") == 0 and '"***"' in stage.said[-1]
    assert stage.run("config", "show", safety__autonomy="none") == 2
    assert stage.run("config", "show", api__webhook={"url": f"ftp://{HOOK_PATH}", "secret": HOOK_SECRET}) == 2
    assert stage.run("config", "show", api__redis_url=stage.redis.url + "/" * 1_000) == 2
    wrong = {"kafka__sasl_password_file": str(stage.folder / "wrong"), "api__port": 0, "monitoring__metrics_port": 0}
    assert stage.run("api", "-b", stage.secure, **wrong) == 2
    assert stage.run("run", "-b", stage.secure, **wrong) != 0
    assert stage.run("api", "-b", stage.secure, **{**wrong, "api__redis_url": f"nonsense://{PASSWORD}"}) == 2
    # Kafka goes away and comes back.
    stage.kafka.kill()
    time.sleep(3.0)
    stage.kafka.start()
    for process in stage.running:
        process.terminate()
        process.wait(60)
    settings = load(environment=stage.call("config", "show")[1]) if stage.how == "environment" else None
    said = stage.everything() + repr(settings) + (str(shown(settings)) if settings else "")
    assert len(said) > 10_000 and "webhook not delivered" in said and "read model" in said
    assert found_in(said) == []
    for topic in ("journal", "decisions", "proposals", "dead-letters"):
        for record in await bench.read(topic):
            assert found_in(f"{record.key} {record.value} {record.headers}") == []
