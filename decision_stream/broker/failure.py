"""The one error of this package: says what was found, what was expected, and what to do."""


class BrokerUnavailable(Exception):
    """No Kafka could be had. The message is meant for the person at the terminal."""
