"""Where Kafka is and how to be let in: refused before anything is connected when it cannot be meant."""

import pytest

from decision_stream.settings import BadSettings, Settings, parse
from decision_stream.stream.address import Address, BadAddress, NoCredentials, Security, client_options

SECRET = "hunter2-canary"


def settings(**keys: object) -> Settings:
    lines = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    return parse(f"kafka:\n{lines}" if keys else "", {})


@pytest.mark.parametrize("servers", [f"user:{SECRET}@kafka:9092", f"kafka://user:{SECRET}@kafka:9092"])
def test_a_password_in_the_address_is_refused_and_not_repeated(servers):
    with pytest.raises(BadAddress) as told:
        Address(servers)
    assert SECRET not in str(told.value)
    with pytest.raises(BadSettings) as told:
        settings(bootstrap_servers=f'"{servers}"')
    assert SECRET not in str(told.value)
    with pytest.raises(BadSettings):
        settings().address(servers)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"profile": "production"}, "not encrypted"),
        ({"profile": "production", "security_protocol": "SASL_PLAINTEXT"}, "not encrypted"),
        ({"security_protocol": "SASL_SSL"}, "sasl_username"),
        ({"ssl_ca_file": "/ca"}, "has no effect"),
        ({"security_protocol": "SSL", "ssl_key_file": "/key"}, "ssl_certificate_file"),
        ({"sasl_mechanism": "GSSAPI"}, "sasl_mechanism"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(keys, why):
    with pytest.raises(BadSettings, match=why):
        settings(**keys)


@pytest.mark.parametrize("keys", [{"security_protocol": "SSL"}, {"allow_plaintext": "true"}])
def test_production_is_encrypted_or_says_what_else_protects_it(keys):
    assert settings(profile="production", **keys).kafka.profile == "production"


def test_an_open_kafka_needs_no_options():
    assert client_options("kafka:9092") == {"bootstrap_servers": "kafka:9092", "security_protocol": "PLAINTEXT"}


def test_a_password_is_read_from_its_file_and_told_to_nobody(tmp_path):
    (tmp_path / "password").write_text(SECRET + "\n")
    known = settings(
        security_protocol="SASL_SSL", sasl_username="engine", sasl_password_file=str(tmp_path / "password")
    )
    address = known.address("kafka:9093")
    assert client_options(address)["sasl_plain_password"] == SECRET
    assert SECRET not in repr(known) + repr(address) + repr(address.security)
    assert str(address) == "kafka:9093"


def test_a_file_that_is_not_there_is_named_by_its_setting(tmp_path):
    missing = Security(protocol="SASL_SSL", username="engine", password_file=str(tmp_path / "none"))
    with pytest.raises(NoCredentials, match="sasl_password_file"):
        client_options(Address("kafka:9093", missing))
    with pytest.raises(NoCredentials, match="ssl_"):
        client_options(Address("kafka:9093", Security(protocol="SSL", ca_file=str(tmp_path / "none"))))
