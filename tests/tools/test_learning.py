"""What was learnt leaves a deployment as sums, merges with what others have learnt, and is taken over by a command."""

import json
from math import exp, log

import pytest

from decision_stream.engine.pooling import MOST_IMPORTED, merged, pooled, shared
from decision_stream.engine.step import step
from decision_stream.model.command import ImportPriors
from decision_stream.model.journal import Source
from decision_stream.model.knowledge import Comparison, Contribution, SharedComparison, Sighting
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
from decision_stream.stream.record import apply, empty
from decision_stream.tools.learning import (
    BadLearning,
    Learning,
    commands,
    learnt_by,
    merge,
    pools_of,
    read_file,
    write_file,
)
from decision_stream.wire.codec import MalformedMessage, encode, parser
from tests.engine.neighbours import Neighbours
from tests.engine.test_pooling import FIRST, NEW, POOL, proposed, switched
from tests.factories import START_MS, command, insight

OTHER = ":prior/globex/0"


def comparison(number: int, old: str = "premium", new: str = "cheap") -> Comparison:
    return Comparison(old=old, new=new, quality=-0.01 * number, cost=log(0.1), latency=0.05, samples=500)


def told(scopes: int, old: str = "premium", new: str = "cheap") -> Learning:
    return Learning(comparisons=shared(comparison(number, old, new) for number in range(scopes)))


def learnt_at_acme() -> Learning:
    """What a deployment knows after its scopes have ramped a model up."""
    neighbours = Neighbours()
    for number, scope in enumerate(FIRST):
        switched(neighbours, scope, quality=0.892 + 0.002 * number)
    return learnt_by([neighbours[POOL].state.cold.aggregate])


def test_a_new_scope_of_another_deployment_starts_from_what_was_imported():
    learnt = learnt_at_acme()
    alone, elsewhere = Neighbours(), Neighbours()
    for it in commands(learnt, ["globex"], 1, "user:ada", "from acme", START_MS):
        assert it.scope == OTHER
        elsewhere.tell(parser(type(it))(encode(it), it.scope.encode(), START_MS))
    stranger = "globex/service/new"
    assert proposed(alone, stranger) == []
    assert proposed(elsewhere, stranger) == ["model_switch"]
    (prior,) = elsewhere[stranger].state.cold.knowledge.priors
    assert prior.scopes == 5 and exp(prior.cost) == pytest.approx(10.0, rel=0.05)


def test_it_tells_of_no_scope_and_of_no_pair_that_few_compared(tmp_path):
    file = tmp_path / "learnt.json"
    write_file(file, learnt_at_acme())
    text = file.read_text()
    assert not any(scope in text or scope.split("/")[0] in text for scope in (*FIRST, NEW))
    assert read_file(file) == learnt_at_acme()
    assert merge([told(3)]).comparisons == () and merge([told(3), told(1)]).comparisons[0].scopes == 4


def test_merged_is_what_one_deployment_would_have_learnt():
    values = [comparison(number) for number in range(12)]
    turned = [Comparison(old="cheap", new="premium", quality=0.2, cost=2.0, latency=-0.1, samples=7)]
    apart = merged((*shared(values[:5]), *shared(values[5:]), *shared(turned)))
    (found,), (whole,) = apart, shared([*values, *turned])
    assert (found.old, found.new, found.scopes, found.samples) == (whole.old, whole.new, 13, whole.samples)
    for name in ("quality", "quality_m2", "cost", "cost_m2", "latency", "latency_m2"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), abs=1e-12)


def test_an_import_counts_for_a_few_scopes_however_many_are_behind_it():
    (many,) = pooled((), told(100).comparisons)
    assert many.scopes == MOST_IMPORTED
    own = [comparison(0)] * 100
    (both,) = pooled(own, told(100).comparisons)
    alone = pooled(own)[0]
    assert abs(both.quality - alone.quality) < 0.1 * abs(many.quality - alone.quality)
    assert pooled(own, ()) == (alone,)


def test_importing_again_replaces_and_nothing_takes_it_back():
    state = ScopeState(scope=OTHER)
    for number, learnt in enumerate((told(9), told(5), Learning(comparisons=()))):
        order = command(number, ImportPriors(comparisons=learnt.comparisons), scope=OTHER)
        state, effects = step(state, order, Policy())
        assert effects.verdict == "applied" and state.cold.aggregate.imported == learnt.comparisons
    _, effects = step(state, order, Policy())
    assert effects.verdict == "stale"


def test_what_was_imported_is_not_exported_again():
    state, _ = step(
        ScopeState(scope=OTHER), command(0, ImportPriors(comparisons=told(9).comparisons), scope=OTHER), Policy()
    )
    assert learnt_by([state.cold.aggregate]).comparisons == ()


def test_only_a_pool_takes_it():
    order = ImportPriors(comparisons=told(9).comparisons)
    for keeper in (":catalog/all/0", ":provider/openai/0"):
        _, effects = step(ScopeState(scope=keeper), command(0, order, scope=keeper), Policy())
        assert effects.verdict == "refused" and effects.reasons[0].code == "no_pool"
    sent = command(0, order)
    with pytest.raises(MalformedMessage, match="for the engine's own"):
        parser(type(sent))(encode(sent), sent.scope.encode(), sent.at_ms)


def test_the_pools_are_read_out_of_what_is_stored():
    stored, written = empty(POOL), {}
    for number in range(5):
        sighting = Sighting(
            id=f"s{number}",
            scope=POOL,
            at_ms=START_MS + number,
            member=f"acme/service/{number}",
            number=1,
            content=Contribution(comparisons=(comparison(number),)),
        )
        done = apply(stored, Source(topic="signals", partition=0, offset=number), sighting, Policy())
        stored = done.stored
        written |= dict(done.writes)
    assert learnt_by(pools_of(written).values()) == told(5)
    with pytest.raises(BadLearning, match="try again"):
        pools_of({key: value for key, value in written.items() if key == POOL.encode()})


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": "decision-stream/learning/2", "comparisons": []}', '{"comparisons": [{"old": "a"}]}']
)
def test_a_file_that_is_none_is_told(tmp_path, text):
    file = tmp_path / "none.json"
    file.write_text(text)
    with pytest.raises(BadLearning, match="holds nothing that was learnt"):
        read_file(file)


def test_sums_that_cannot_be_are_refused(tmp_path):
    file = tmp_path / "wrong.json"
    write_file(file, told(5))
    body = json.loads(file.read_text())
    body["comparisons"][0]["quality_m2"] = -1.0
    file.write_text(json.dumps(body))
    with pytest.raises(BadLearning, match="quality_m2"):
        read_file(file)


def test_beyond_what_a_command_holds_the_pairs_of_the_most_scopes_go():
    pairs = tuple(
        SharedComparison(
            old="a",
            new=f"m{number:02}",
            scopes=4 + number,
            samples=100,
            quality=0.0,
            quality_m2=0.1,
            cost=0.0,
            cost_m2=0.1,
            latency=0.0,
            latency_m2=0.1,
        )
        for number in range(40)
    )
    (order,) = commands(Learning(comparisons=pairs), ["acme"], 1, "user:ada", "", START_MS)
    assert min(it.scopes for it in order.instruction.comparisons) == 14 and len(order.instruction.comparisons) == 30
    shards = commands(Learning(comparisons=pairs), ["acme", "globex"], 2, "user:ada", "", START_MS)
    assert [it.scope for it in shards] == [":prior/acme/0", ":prior/acme/1", ":prior/globex/0", ":prior/globex/1"]


def test_an_aggregate_named_in_it_takes_nothing_from_outside_but_orders():
    with pytest.raises(MalformedMessage):
        sent = insight(0, scope=OTHER)
        parser(type(sent))(encode(sent), OTHER.encode(), sent.at_ms)
