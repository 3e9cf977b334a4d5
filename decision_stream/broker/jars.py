"""The jars of Apache Kafka, resolved once by jgo from Maven Central and remembered in a cache directory."""

import os
from collections.abc import Callable
from pathlib import Path

from .failure import BrokerUnavailable

KAFKA_VERSION = "4.3.1"
# Kafka logs through slf4j; without a binding a failed start says nothing.
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"

Progress = Callable[[str], None]


def cache_directory() -> Path:
    """`$DS_CACHE`, or `decision_stream` in the user's cache directory."""
    if "DS_CACHE" in os.environ:
        return Path(os.environ["DS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "decision_stream"


def classpath(progress: Progress) -> list[Path]:
    """The jars to put on Java's class path; downloaded the first time, about 45 MB.

    Raises `BrokerUnavailable` when jgo is not installed or the download fails.
    """
    listing = cache_directory() / f"kafka-{KAFKA_VERSION}.classpath"
    if listing.exists():
        jars = [Path(line) for line in listing.read_text().splitlines()]
        if jars and all(jar.exists() for jar in jars):
            return jars
    jars = _resolved(progress)
    listing.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and moved, so that two first starts at once do not read half a list.
    draft = listing.with_suffix(f".{os.getpid()}")
    draft.write_text("\n".join(map(str, jars)))
    draft.replace(listing)
    return jars


def _resolved(progress: Progress) -> list[Path]:
    try:
        import jgo
    except ImportError as fault:
        raise BrokerUnavailable(
            "the embedded Kafka needs the package jgo, which is not installed: pip install 'decision-stream[kafka]', "
            "or name a Kafka with --bootstrap-servers"
        ) from fault
    progress(f"downloading Apache Kafka {KAFKA_VERSION} (about 45 MB, once)")
    try:
        environment = jgo.build(ENDPOINT, cache_dir=cache_directory() / "jars")
    except Exception as fault:
        raise BrokerUnavailable(
            f"Apache Kafka {KAFKA_VERSION} could not be downloaded ({fault}); "
            "check the connection to Maven Central, or name a Kafka with --bootstrap-servers"
        ) from fault
    jars = sorted(Path(jar) for jar in environment.all_jars)
    if not any(jar.name.startswith("kafka_2.13") for jar in jars):
        raise BrokerUnavailable(f"the download of Apache Kafka {KAFKA_VERSION} is incomplete: {len(jars)} jars")
    return jars
