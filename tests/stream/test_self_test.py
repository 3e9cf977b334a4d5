"""The start-up self-test: the installed packages pass, and whatever `stream/` relies on is told when it is missing."""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from faust.transport.drivers import aiokafka as driver

import decision_stream.stream
from decision_stream.stream.app import build_app
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.hardening import self_test as tested
from decision_stream.stream.hardening.produce_wire import Pieces
from decision_stream.stream.hardening.self_test import NEEDED, SelfTestFailed, missing, self_test, specimens
from decision_stream.stream.worker import Worker

ROOM = Path(decision_stream.stream.__file__).parent
SETTINGS = StreamSettings(bootstrap_servers="localhost:9")
STANDARD = {"os._exit", "sys._current_frames"}


@pytest.fixture
def app():
    """An app whose consumer, once made, has a loop for its thread, which never runs here."""
    made = build_app(SETTINGS)
    yield made
    close_loop(made)


def close_loop(app):
    if app._consumer is not None:
        app._consumer._thread.thread_loop.close()


async def test_the_installed_versions_pass(app):
    await self_test(app)


class Without:
    """An object that lacks one attribute."""

    def __init__(self, whole: object, name: str) -> None:
        self._whole, self._name = whole, name

    def __getattr__(self, name: str) -> object:
        if name == self._name:
            raise AttributeError(name)
        return getattr(self._whole, name)


async def test_each_missing_part_is_told_by_name(app):
    whole = await specimens(app)
    for kind, names in NEEDED.items():
        for name in names:
            assert missing({**whole, kind: Without(whole[kind], name)}) == [f"{kind} has no {name}"]


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        (MessageAccumulator, "flush_for_commit", "aiokafka message accumulator has no flush_for_commit"),
        (Fetcher, "_get_actions_per_node", "aiokafka fetcher has no _get_actions_per_node"),
        (driver.Consumer, "_new_consumer_thread", "faust Consumer has no _new_consumer_thread"),
        (driver.Producer, "_settings_extra", "faust Producer has no _settings_extra"),
    ],
)
async def test_a_method_that_was_renamed_in_the_installed_package_is_told(monkeypatch, app, owner, name, told):
    holder = next(kind for kind in owner.__mro__ if name in vars(kind))
    monkeypatch.setattr(holder, f"new{name}", vars(holder)[name], raising=False)
    for kind in owner.__mro__:
        if name in vars(kind):
            monkeypatch.delattr(kind, name)
    with pytest.raises(SelfTestFailed, match=told):
        await self_test(app)


async def test_a_field_that_was_renamed_in_the_installed_package_is_told(monkeypatch, app):
    begin = MessageBatch.__init__

    def renamed(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self._linger = vars(self).pop("_linger_time")

    monkeypatch.setattr(MessageBatch, "__init__", renamed)
    with pytest.raises(SelfTestFailed, match="aiokafka message batch has no _linger_time"):
        await self_test(app)


async def test_a_method_with_other_parameters_is_told(monkeypatch, app):
    async def send_with_more(self, node_id, batches, deadline):
        raise AssertionError("never called")

    monkeypatch.setattr(tested.Sender, "_send_produce_req", send_with_more)
    with pytest.raises(SelfTestFailed, match="takes self, node_id, batches, deadline instead of self, node_id, batch"):
        await self_test(app)


async def test_records_that_are_appended_otherwise_are_told(monkeypatch, app):
    append = BatchBuilder.append

    def swapped(self, *, timestamp, key, value, headers=()):
        return append(self, timestamp=timestamp, key=value, value=key, headers=headers)

    monkeypatch.setattr(BatchBuilder, "append", swapped)
    with pytest.raises(SelfTestFailed, match="two appended records are read as"):
        await self_test(app)


@pytest.mark.parametrize(
    ("kind", "plain"),
    [(tested.LeanProduceRequest, tested.ProduceRequest), (tested.LeanFetchRequest, tested.FetchRequest)],
)
async def test_requests_that_are_not_written_leanly_are_told(monkeypatch, app, kind, plain):
    """As if aiokafka had begun to speak another version."""
    monkeypatch.setattr(kind, "_CLASSES", plain._CLASSES[:-1])
    with pytest.raises(SelfTestFailed, match=f"{kind.__name__} is sent as {plain.__name__}_v"):
        await self_test(app)


async def test_a_connection_that_writes_otherwise_is_told(monkeypatch, app):
    monkeypatch.setattr(tested.LeanProduceRequest, "pieces", lambda self: Pieces([b"other bytes"]))
    with pytest.raises(SelfTestFailed, match="a produce request in pieces has other bytes"):
        await self_test(app)


async def test_a_worker_refuses_before_it_connects(monkeypatch):
    monkeypatch.delattr(MessageAccumulator, "create_builder")
    worker = Worker(SETTINGS)
    with pytest.raises(SelfTestFailed, match="create_builder"):
        await worker.run()
    assert not worker.health().started
    close_loop(worker.app)


def modules():
    return [
        import_module(".".join(("decision_stream.stream", *path.relative_to(ROOM).with_suffix("").parts)))
        for path in sorted(ROOM.rglob("*.py"))
        if path.name != "__init__.py"
    ]


def own_names() -> set[str]:
    """Private names that `stream/` itself defines: methods, functions, slots and fields set on `self`."""
    found = set()
    for module in modules():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and ast.unparse(node.value) == "self"
            ):
                found.add(node.attr)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


def test_every_private_part_that_is_touched_is_looked_for():
    known = own_names() | {name for names in NEEDED.values() for name in names}
    touched = {
        (module.__name__, ast.unparse(node))
        for module in modules()
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if node.attr not in known and ast.unparse(node) not in STANDARD
    }
    assert touched == set()


def test_every_method_of_faust_that_is_replaced_is_looked_for():
    """A method whose name has changed in Faust would never be called again."""
    names = {name for names in NEEDED.values() for name in names}
    replaced = set()
    for module in modules():
        for kind in vars(module).values():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                continue
            foreign = [base for base in kind.__mro__ if base.__module__.startswith(("faust", "mode", "aiokafka"))]
            for name, value in vars(kind).items():
                is_dunder = name.startswith("__") or name in ("_abc_impl", "Meta")
                is_method = inspect.isfunction(value) or isinstance(value, property)
                if is_method and not is_dunder and any(name in vars(base) for base in foreign):
                    replaced.add(name)
    assert replaced - names == set()
