"""The errors of this package: what was found, what was expected, and what to do; for the person at the terminal."""


class BrokerUnavailable(Exception):
    """No Kafka could be had."""


class OrderRefused(Exception):
    """Kafka refused to create a topic or to change one."""
