"""Tables made from the schema."""

from trtbuild.modelconfig.fields import table_of
from trtbuild.modelconfig.schema import schema

CONFIG = table_of(schema().ModelConfig.DESCRIPTOR)


def test_every_field_of_the_schema_is_there_in_order() -> None:
    assert list(CONFIG.fields) == [field.name for field in schema().ModelConfig.DESCRIPTOR.fields]


def test_forms_of_fields() -> None:
    dims = CONFIG.fields["input"].table.fields["dims"]  # type: ignore[union-attr]  # input is a message
    assert (dims.repeated, dims.is_map, dims.table, dims.presence) == (True, False, None, False)
    names = CONFIG.fields["cc_model_filenames"]
    assert (names.repeated, names.is_map) == (True, True)
    assert names.table is not None
    assert names.table.fields["key"].presence  # a map's entry knows what was given
    assert not CONFIG.fields["name"].presence
    assert CONFIG.fields["response_cache"].presence


def test_a_oneof_knows_its_others() -> None:
    assert set(CONFIG.fields["dynamic_batching"].others) == {
        "sequence_batching",
        "ensemble_scheduling",
    }
    assert CONFIG.fields["name"].others == ()


def test_enums_are_written_by_name_where_they_have_one() -> None:
    kind = CONFIG.fields["instance_group"].table.fields["kind"]  # type: ignore[union-attr]  # a message
    assert [kind.word(1), kind.word(77)] == ["KIND_GPU", "77"]


def test_tables_are_made_once() -> None:
    assert table_of(schema().ModelConfig.DESCRIPTOR) is CONFIG
