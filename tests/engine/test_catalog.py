"""The catalogue: an operator's word reaches every scope, changes what is proposed, and survives repetition."""

from msgspec.structs import replace

from decision_stream.engine.catalog import MAX_MODELS
from decision_stream.engine.step import step
from decision_stream.model.command import Command, UpdateCatalog
from decision_stream.model.knowledge import CatalogModel, catalog_aggregates
from decision_stream.model.policy import KnowledgePolicy, Policy
from decision_stream.model.state import ScopeState
from decision_stream.strategies.models import known_models, provider_of
from tests.engine.neighbours import Neighbours
from tests.factories import PREMIUM, SCOPE, START_MS, estimate, insight

(KEEPER,) = catalog_aggregates(1)
OTHER = "globex/search/rerank"


def update(model: str, number: int = 0, *, scope: str = KEEPER, is_retired: bool = False, **about: object) -> Command:
    entry = CatalogModel(estimate=replace(estimate(model), **about), is_retired=is_retired)
    return Command(
        id=f"update-{model}-{number}",
        scope=scope,
        at_ms=START_MS + number,
        instruction=UpdateCatalog(model=entry),
        actor="user:ada",
    )


def known(neighbours: Neighbours, scope: str = SCOPE):
    return known_models(neighbours.policy, neighbours[scope].state.cold, START_MS)


def of_two() -> Neighbours:
    neighbours = Neighbours()
    for scope in (SCOPE, OTHER):
        neighbours.tell(insight(0, scope=scope))
    return neighbours


def test_a_model_of_the_catalogue_is_known_on_every_scope_and_proposed():
    neighbours = of_two()
    effects = neighbours.tell(update("cheap", quality=0.895, cost_usd=0.002, latency_p95_ms=1_900.0, provider="mill"))
    assert effects.verdict == "applied" and effects.actor == "user:ada"
    for scope in (SCOPE, OTHER):
        assert known(neighbours, scope)["cheap"].cost_usd == 0.002
        assert provider_of("cheap", neighbours.policy, neighbours[scope].state.cold) == "mill"
        for minute in range(1, 4):
            neighbours.tell(insight(minute, scope=scope))
        assert neighbours[scope].kinds == ["model_switch"]


def test_a_scope_that_comes_later_is_told_all_of_it_once():
    neighbours = Neighbours()
    for number, model in enumerate(("a", "b", "c")):
        neighbours.tell(update(model, number))
    neighbours.tell(insight(0))
    assert set(known(neighbours)) == {"a", "b", "c"}
    signals = [it for effects in neighbours[KEEPER].effects for it in effects.signals if it.scope == SCOPE]
    assert len(signals) == 1


def test_every_update_is_published_for_the_compacted_topic():
    _, effects = step(ScopeState(scope=KEEPER), update("cheap"), Policy())
    (entry,) = effects.entries
    assert entry.model.estimate.model == "cheap" and entry.actor == "user:ada"


def test_a_retired_model_is_known_no_more_but_where_it_is_in_use():
    neighbours = Neighbours(Policy(catalog=(estimate("cheap"), estimate(PREMIUM.model))))
    neighbours.tell(insight(0, candidates=(estimate("cheap"),)))
    for number, model in enumerate(("cheap", PREMIUM.model)):
        neighbours.tell(update(model, number, is_retired=True))
    assert set(known(neighbours)) == {PREMIUM.model}


def test_what_the_scope_itself_has_measured_goes_before_the_catalogue():
    neighbours = of_two()
    neighbours.tell(insight(1, candidates=(estimate("cheap", cost_usd=0.005),)))
    neighbours.tell(update("cheap", cost_usd=0.001))
    assert known(neighbours)["cheap"].cost_usd == 0.005


def test_a_repeated_or_unchanged_update_tells_nothing():
    neighbours = of_two()
    neighbours.tell(update("cheap"))
    before = neighbours[SCOPE].state
    assert neighbours.tell(update("cheap")).verdict == "stale"
    assert neighbours.tell(update("cheap", 1)).verdict == "applied"
    assert neighbours[SCOPE].state is before


def test_the_catalogue_is_bounded_and_only_its_keeper_takes_it():
    state = ScopeState(scope=KEEPER)
    for number in range(MAX_MODELS + 1):
        state, effects = step(state, update(f"model-{number}", number), Policy())
    assert effects.verdict == "refused" and effects.reasons[0].code == "too_many_models"
    for scope in (":provider/openai/0", SCOPE):
        _, effects = step(ScopeState(scope=scope), update("cheap", scope=scope), Policy())
        assert effects.verdict == "refused" and effects.reasons[0].code == "no_catalog"


def test_all_shards_keep_it():
    neighbours = Neighbours(Policy(knowledge=KnowledgePolicy(shards=3)))
    scopes = [f"acme/service/{number}" for number in range(12)]
    for scope in scopes:
        neighbours.tell(insight(0, scope=scope))
    keepers = [name for name in neighbours.routes if name.startswith(":catalog/")]
    assert len(keepers) > 1 and set(keepers) <= set(catalog_aggregates(3))
    for keeper in catalog_aggregates(3):
        neighbours.tell(update("cheap", scope=keeper))
    assert all("cheap" in known(neighbours, scope) for scope in scopes)
