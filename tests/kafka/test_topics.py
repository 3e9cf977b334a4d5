"""Topics on a real Kafka: created, checked, mended, and refused where a person must decide."""

from dataclasses import replace
from uuid import uuid4

import pytest

from decision_stream.broker.failure import BrokerUnavailable, OrderRefused
from decision_stream.broker.topics import apply_now, plan_now, topic_table


@pytest.fixture
def specs(kafka):
    name = uuid4().hex[:8]
    return topic_table(prefix=f"p{name}.", app_id=f"a{name}", partitions=3)


def test_an_empty_kafka_lacks_everything_and_apply_mends_it(kafka, specs):
    assert len(plan_now(kafka.bootstrap_servers, specs)) == len(specs)
    assert apply_now(kafka.bootstrap_servers, specs) == ()
    assert plan_now(kafka.bootstrap_servers, specs) == ()
    assert apply_now(kafka.bootstrap_servers, specs) == (), "a second time changes nothing"


def test_a_wrong_setting_is_mended(kafka, specs):
    apply_now(kafka.bootstrap_servers, specs)
    wanted = (replace(specs[0], config={**specs[0].config, "retention.ms": "12345"}), *specs[1:])
    (change,) = plan_now(kafka.bootstrap_servers, wanted)
    assert "retention.ms=12345" in str(change) and "decision-stream topics apply" in str(change)
    assert apply_now(kafka.bootstrap_servers, wanted) == ()


def test_what_someone_else_has_set_stays(kafka, specs):
    apply_now(kafka.bootstrap_servers, specs)
    foreign = (replace(specs[0], config={**specs[0].config, "retention.bytes": "123456789"}), *specs[1:])
    assert apply_now(kafka.bootstrap_servers, foreign) == ()
    wanted = (replace(specs[0], config={**specs[0].config, "retention.ms": "23456"}), *specs[1:])
    assert apply_now(kafka.bootstrap_servers, wanted) == ()
    assert plan_now(kafka.bootstrap_servers, foreign)[0].found == "retention.ms=23456"


def test_a_setting_that_kafka_refuses_is_told(kafka, specs):
    apply_now(kafka.bootstrap_servers, specs)
    impossible = (replace(specs[0], config={**specs[0].config, "retention.ms": "soon"}), *specs[1:])
    with pytest.raises(OrderRefused, match=rf"Kafka refuses {specs[0].name} with .*retention.ms=soon.*: InvalidConf"):
        apply_now(kafka.bootstrap_servers, impossible)


def test_another_number_of_partitions_is_left_to_a_person(kafka, specs):
    apply_now(kafka.bootstrap_servers, specs)
    more = tuple(replace(spec, partitions=5) for spec in specs)
    left = apply_now(kafka.bootstrap_servers, more)
    assert len(left) == len(specs)
    assert "found 3 partitions, expected 5 partitions" in str(left[0]) and "cannot be changed in place" in str(left[0])


def test_all_topics_have_the_same_number_of_partitions():
    assert {spec.partitions for spec in topic_table(partitions=7)} == {7}
    (changelog,) = [spec for spec in topic_table() if spec.name.endswith("-changelog")]
    assert changelog.config["cleanup.policy"] == "compact"


def test_with_three_copies_a_write_waits_for_two():
    assert {spec.config["min.insync.replicas"] for spec in topic_table(replication=3)} == {"2"}
    assert all("min.insync.replicas" not in spec.config for spec in topic_table())


def test_nobody_there_is_said_with_the_address():
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:9"):
        plan_now("127.0.0.1:9", topic_table())
