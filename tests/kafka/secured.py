"""A real Kafka that encrypts and asks for a password, beside its open listener for the tests' own clients."""

import subprocess
from contextlib import closing
from pathlib import Path
from socket import socket

from decision_stream.broker.embedded import EmbeddedKafka, free_port

USER = "engine"
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def secured_kafka(folder: Path, password: str) -> tuple[EmbeddedKafka, str, Path]:
    """The Kafka, not started; the address of its SASL_SSL listener, and the authority to trust."""
    key, certificate, store = folder / "key.pem", folder / "certificate.pem", folder / "store.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    store.write_text(key.read_text() + certificate.read_text())
    open_port = free_port()
    port = _free_behind(open_port + 10)
    kafka = EmbeddedKafka(
        port=open_port,
        listeners={"SECURE": (port, port)},
        properties={
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
            "listener.name.secure.ssl.keystore.type": "PEM",
            "listener.name.secure.ssl.keystore.location": str(store),
            "listener.name.secure.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secure.plain.sasl.jaas.config": f'{_LOGIN} user_{USER}="{password}";',
        },
    )
    return kafka, f"127.0.0.1:{port}", certificate


def _free_behind(number: int) -> int:
    """A free port, also below the ephemeral range."""
    for port in range(number, number + 500):
        with closing(socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")
