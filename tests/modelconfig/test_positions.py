"""Where fields stand."""

from trtbuild.modelconfig.positions import Lines
from trtbuild.modelconfig.read import parse_config

TEXT = """# head
name: "a" platform: 'b'
input [
  { name: "x", dims: [ 3,  # channels
    -1 ] },
  < name: "y" dims: 5; dims: 6 reshape { shape: [] } >
]
metric_tags { key: "k" value: "1" }
metric_tags [ { value: "2" key: "k" }, { key: "l" } ]
parameters: { key: "p" value: { string_value: "s" "t" } }
model_operations { op_library_filename: ["a", "b" 'c'] }
"""
PARSED = parse_config(TEXT)


def value(path: str) -> str:
    span = PARSED.span(path)
    assert span is not None
    name = path.rpartition(".")[2].partition("[")[0]
    assert TEXT[span.name :].startswith(name)
    return TEXT[span.value : span.end]


def test_values_of_every_form() -> None:
    assert value("name") == '"a"'
    assert value("platform") == "'b'"
    assert value("input[0].dims[0]") == "3"
    assert value("input[0].dims[1]") == "-1"
    assert value("input[0].dims") == "[ 3,  # channels\n    -1 ]"
    assert value("input[1]").startswith("< name")
    assert value("input[1].dims[1]") == "6"
    assert value("input[1].dims") == "5"
    assert value("input[1].reshape.shape") == "[]"
    assert value("input").startswith("[\n")
    assert value('parameters["p"].value.string_value') == '"s" "t"'
    assert value("model_operations.op_library_filename[1]") == "\"b\" 'c'"


def test_a_map_entry_is_named_by_its_key_and_the_last_one_counts() -> None:
    assert value('metric_tags["k"].value') == '"2"'
    assert value('metric_tags["l"].key') == '"l"'
    assert len(PARSED.index['metric_tags["k"]']) == 2
    assert PARSED.message.metric_tags["k"] == "2"


def test_places_count_lines_and_characters_from_one() -> None:
    assert str(PARSED.place("name")) == "2:7"
    assert str(PARSED.place("input[0].dims[1]")) == "5:5"
    assert str(Lines("é\n\nab").place(4)) == "3:2"


def test_the_place_of_a_field_that_is_not_there_is_that_of_what_is_around_it() -> None:
    assert PARSED.place("input[0].data_type") == PARSED.place("input[0]")
    assert PARSED.place("input[7].name") == PARSED.place("input")
    assert PARSED.place("output") == (1, 1)
    assert PARSED.span("output") is None


def test_paths_are_exactly_the_fields_of_the_message() -> None:
    ends = {path for path in PARSED.index if path.startswith("input[1]")}
    assert ends == {
        "input[1]",
        "input[1].name",
        "input[1].dims",
        "input[1].dims[0]",
        "input[1].dims[1]",
        "input[1].reshape",
        "input[1].reshape.shape",
    }
