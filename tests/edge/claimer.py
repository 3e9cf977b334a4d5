"""A process that claims keys in a read model (URL or path, name) and prints the answers; waits for a line to begin."""

import json
import sys
from pathlib import Path

from decision_stream.edge.read_model import RedisReadModel, SqliteReadModel


def main() -> None:
    """Claim when told to."""
    where, name, content = sys.argv[1:]
    model = RedisReadModel(where, name) if "://" in where else SqliteReadModel(Path(where))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    print(json.dumps([model.claim(f"key-{number}", content, 1_000.0) for number in range(300)]))
    model.close()


if __name__ == "__main__":
    main()
