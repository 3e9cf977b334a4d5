"""`python -m tests.faults FIRST END`: play these fault schedules; prints what they were about, or the first that broke.

A schedule is its number: the same number plays the same faults again.
"""

import json
import sys
from collections import Counter

from tests.faults.promises import check, play
from tests.faults.virtual import SCOPE, Guards


def main(first: int, end: int) -> None:
    """Exits with the number of the schedule and the broken promise, or prints how many led to which outputs."""
    led_to: Counter[str] = Counter()
    for seed in range(first, end):
        log, owner = play(seed, Guards())
        try:
            check(log, owner)
        except Exception as fault:
            sys.exit(f"schedule {seed}: {fault!r}")
        kind = "scope" if log.scope == SCOPE else "aggregate"
        led_to.update(f"{kind} {topic}" for topic in {output.topic for output in log.outputs})
    print(json.dumps(led_to))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
