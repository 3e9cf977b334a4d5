"""A worker for tests: settings as JSON in the first argument."""

import json
import sys

import uvloop

from decision_stream.edge.logs import configure
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.worker import Worker


async def main() -> None:
    """Run until told to stop."""
    await Worker(StreamSettings(**json.loads(sys.argv[1]))).run()


if __name__ == "__main__":
    configure("warning", "json")
    uvloop.run(main())
