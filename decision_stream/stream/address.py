"""The address of a Kafka together with what it takes to be let in, for every client of the project."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


class BadAddress(Exception):
    """The address cannot be used; the message never repeats what could be a secret."""


class NoCredentials(Exception):
    """A certificate, key or password file that is named cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How to be let in. Passwords and keys are files: they never stand in settings, arguments or logs."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    @property
    def is_sasl(self) -> bool:
        """Whether a user and a password are shown."""
        return self.protocol.startswith("SASL_")

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted and the broker's certificate checked."""
        return self.protocol.endswith("SSL")

    def password(self) -> str:
        """The password, without the line feed that editors leave. Raises `NoCredentials`."""
        try:
            return Path(self.password_file).read_text().rstrip("\r\n")
        except OSError as fault:
            raise NoCredentials(f"kafka.sasl_password_file cannot be read: {fault.strerror}") from fault

    def tls(self) -> ssl.SSLContext:
        """The TLS context: authorities of this file, else of the system. Raises `NoCredentials`."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file or None)
        except (OSError, ssl.SSLError) as fault:
            raise NoCredentials(f"kafka.ssl_*_file cannot be used: {fault}") from fault
        return context


OPEN = Security()


class Address(str):
    """`host:port,...`, and how to be let in; a plain string stands for a Kafka that lets everybody in."""

    security: Security

    def __new__(cls, servers: str, security: Security = OPEN) -> "Address":
        """Raises `BadAddress` for anything but hosts and ports: a user or password there would end up in logs."""
        if "@" in servers or "://" in servers:
            raise BadAddress(
                "bootstrap servers are host:port,host:port without scheme and without user:password; "
                "use kafka.sasl_username and kafka.sasl_password_file"
            )
        made = super().__new__(cls, servers)
        made.security = security
        return made


def client_options(servers: str) -> dict[str, Any]:
    """What aiokafka's clients need to reach this address. Raises `NoCredentials`."""
    security = security_of(servers)
    options: dict[str, Any] = {"bootstrap_servers": str(servers), "security_protocol": security.protocol}
    if security.is_tls:
        options["ssl_context"] = security.tls()
    if security.is_sasl:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password(),
        }
    return options


def faust_credentials(servers: str) -> Any:
    """The same for Faust; None for an open Kafka. Raises `NoCredentials`."""
    import faust

    security = security_of(servers)
    context = security.tls() if security.is_tls else None
    if security.is_sasl:
        return faust.SASLCredentials(
            username=security.username,
            password=security.password(),
            mechanism=security.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def security_of(servers: str) -> Security:
    """How to be let in at this address."""
    return servers.security if isinstance(servers, Address) else OPEN
