"""The catalogue's file: every mistake is told with its place, and only what changed becomes a command."""

import pytest

from decision_stream.model.knowledge import CatalogEntry, CatalogModel
from decision_stream.tools.catalog import BadCatalog, changed, commands, newest, parsed
from decision_stream.wire.codec import encode, parser
from tests.factories import estimate

MODEL = """
- model: cheap
  provider: mill
  quality: 0.9
  quality_stddev: 0.2
  cost_usd: 0.002
  cost_stddev_usd: 0.0005
  latency_p50_ms: 900
  latency_p95_ms: 1900
  samples: 2000
"""


def written(tmp_path, text: str):
    path = tmp_path / "models.yaml"
    path.write_text(text)
    return path


def entry(model: CatalogModel, at_ms: int = 1) -> CatalogEntry:
    return CatalogEntry(id=f"e{at_ms}", at_ms=at_ms, model=model, actor="user:ada")


def test_a_list_and_a_settings_file_say_the_same(tmp_path):
    (listed,) = parsed(written(tmp_path, MODEL))
    assert listed.estimate.provider == "mill" and listed.estimate.latency_p50_ms == 900.0 and not listed.is_retired
    assert parsed(written(tmp_path, "catalog:" + MODEL.replace("\n", "\n  "))) == (listed,)
    (retired,) = parsed(written(tmp_path, MODEL + "  retired: true\n"))
    assert retired == CatalogModel(estimate=listed.estimate, is_retired=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("catalog: 7", "expected a list of models"),
        ("- cheap", "expected a list of models"),
        ("[", "cannot be read"),
        (MODEL + MODEL, "cheap is listed twice"),
        (MODEL + "  price: 2\n", r"\[0\]: unknown price; known: retired, cost_stddev_usd"),
        (MODEL.replace("0.9", "1.9"), r"\[0\]: .*<= 1.0"),
        (MODEL.replace("  samples: 2000\n", ""), r"\[0\]: .*samples"),
        (MODEL + "  retired: maybe\n", r"\[0\]: Expected `bool`"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, text, told):
    with pytest.raises(BadCatalog, match=told):
        parsed(written(tmp_path, text))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(BadCatalog, match="cannot be read"):
        parsed(tmp_path / "none.yaml")


def test_only_what_changed_becomes_a_command_to_each_keeper(tmp_path):
    (cheap,) = parsed(written(tmp_path, MODEL))
    other = CatalogModel(estimate=estimate("other"))
    held = newest([encode(entry(other, 1)), encode(entry(cheap, 2))])
    assert list(held) == ["cheap", "other"] and changed([cheap, other], held) == []
    dearer = CatalogModel(estimate=estimate("other", cost_usd=0.05))
    told = commands(changed([cheap, dearer], held), 2, "user:ada", "new prices", 5)
    assert [command.scope for command in told] == [":catalog/all/0", ":catalog/all/1"]
    assert len({command.id for command in told}) == 2
    for command in told:
        assert parser(type(command))(encode(command), command.scope.encode(), 5) == command
