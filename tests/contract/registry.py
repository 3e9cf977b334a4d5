"""Third-party schemas that do not lie in this repository: fetched once by their package client, kept in the cache."""

import json
import subprocess
import tarfile
from shutil import which
from typing import Any

from decision_stream.broker.jars import cache_directory

ASYNCAPI_SPECS = "6.11.1"


def asyncapi_schema(version: str = "3.0.0") -> dict[str, Any]:
    """The official JSON Schema of AsyncAPI documents, from the npm package @asyncapi/specs; about 0.4 MB, once.

    Fails with what to do when it is neither in the cache nor to be had.
    """
    kept = cache_directory() / f"asyncapi-{version}-of-{ASYNCAPI_SPECS}.json"
    if not kept.exists():
        assert which("npm"), f"npm is needed once, to fetch the schema of AsyncAPI: apt-get install npm, or put {kept}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "pack", "--silent", f"@asyncapi/specs@{ASYNCAPI_SPECS}"],
            cwd=kept.parent,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"npm could not fetch @asyncapi/specs {ASYNCAPI_SPECS}: {done.stderr[-500:]}"
        archive = kept.parent / done.stdout.split()[-1]
        with tarfile.open(archive) as files:
            member = files.extractfile(f"package/schemas/{version}.json")
            assert member is not None, f"{archive} has no schema of AsyncAPI {version}"
            kept.write_bytes(member.read())
        archive.unlink()
    return json.loads(kept.read_text())
