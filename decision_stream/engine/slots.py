"""A scope's side of its tenant's slots: what it may begin, what it asks for, and when it gives back.

Without a cap, or before the tenant's owner has answered for the first time, a scope knows its own limits only: no
decision waits for another machine.
"""

from msgspec.structs import replace

from ..model.decision import Check, Proposal
from ..model.knowledge import Needs, Quota, Slot, aggregate_of, tenant_of
from . import tell
from .turn import Turn

NAME = "tenant_quota"


def check(turn: Turn, proposal: Proposal) -> list[Check]:
    """Does the tenant have a slot for it? Ending an experiment takes none: the experiment's own covers its winner."""
    slot = _slot_of(proposal)
    if slot is None or not _is_capped(turn, slot) or turn.cold.knowledge.quota is None:
        return []
    held = slot in held_slots(turn)
    return [Check(name=NAME, passed=held, detail="" if held else f"the tenant has no free slot to {slot} now")]


def ask(turn: Turn, proposal: Proposal) -> None:
    """Wait for a slot: the proposal is made again, and passes when there is one."""
    slot = _slot_of(proposal)
    assert slot is not None
    asked = turn.cold.told.needs.slots if turn.cold.told.needs is not None else ()
    if slot not in asked:
        _tell(turn, tuple(sorted({*asked, slot})))


def keep(turn: Turn) -> None:
    """Make oneself known to the tenant's owner, give back what is idle, and renew the rest."""
    rules = turn.policy.knowledge
    if not (rules.tenant_changes or rules.tenant_experiments) or not rules.enabled or turn.configuration is None:
        return
    told = turn.cold.told
    if told.needs is None:
        _tell(turn, _used(turn))
        return
    idle_ms = turn.at_ms - turn.cold.knowledge.quota_at_ms
    idle = {slot for slot in held_slots(turn) if slot not in _used(turn) and idle_ms >= rules.slot_idle_ms}
    wanted = tuple(slot for slot in told.needs.slots if slot not in idle)
    if idle or turn.at_ms - told.needs_at_ms >= rules.renewal_ms // 2:
        _tell(turn, wanted)


def hear(turn: Turn, quota: Quota) -> bool:
    """Take in an answer; False for one to what the scope wanted before, which may have been given back since."""
    if quota.answers < turn.cold.told.needs_number:
        return False
    turn.update(knowledge=replace(turn.cold.knowledge, quota=quota, quota_at_ms=turn.at_ms))
    return True


def held_slots(turn: Turn) -> tuple[Slot, ...]:
    """The slots the scope holds; none when it was away for longer than it may count on them."""
    quota = turn.cold.knowledge.quota
    if quota is None or turn.at_ms - turn.cold.told.needs_at_ms > turn.policy.knowledge.renewal_ms:
        return ()
    return quota.slots


def _slot_of(proposal: Proposal) -> Slot | None:
    if proposal.is_safety or proposal.kind == "conclude_experiment":
        return None
    return Slot.EXPERIMENT if proposal.is_experiment else Slot.CHANGE


def _used(turn: Turn) -> tuple[Slot, ...]:
    """What is under way, waiting for a person included."""
    kinds = {
        Slot.EXPERIMENT if live.decision.kind in ("start_experiment", "conclude_experiment") else Slot.CHANGE
        for live in turn.cold.live
        if not live.decision.is_safety
    }
    return tuple(sorted(kinds))


def _is_capped(turn: Turn, slot: Slot) -> bool:
    rules = turn.policy.knowledge
    return rules.enabled and rules.tenant_slots(slot) > 0


def _tell(turn: Turn, slots: tuple[Slot, ...]) -> None:
    """Tell what is wanted. What is not wanted any more, or was void already, is not held from this moment on."""
    rules, held = turn.policy.knowledge, held_slots(turn)
    needs = Needs(slots=slots)
    tell.tell(turn, aggregate_of("tenant", tenant_of(turn.scope), turn.scope, rules.shards), needs)
    told = turn.cold.told
    turn.update(told=replace(told, needs=needs, needs_at_ms=turn.at_ms, needs_number=told.number))
    quota = turn.cold.knowledge.quota
    if quota is not None:
        kept = tuple(slot for slot in held if slot in slots)
        turn.update(knowledge=replace(turn.cold.knowledge, quota=replace(quota, slots=kept)))
