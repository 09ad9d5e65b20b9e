"""Rules' field paths as the reader writes them."""

from __future__ import annotations

import pytest

from trtbuild.modelconfig.schema import schema
from trtbuild.validate.finding import FieldPath
from trtbuild.validate.places import MAPS, path_text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("name",), "name"),
        (("input", 0, "dims", 2), "input[0].dims[2]"),
        (("cc_model_filenames", "8.6", "value"), 'cc_model_filenames["8.6"].value'),
        (
            ("dynamic_batching", "priority_queue_policy", 3),
            'dynamic_batching.priority_queue_policy["3"]',
        ),
        (("model_warmup", 0, "inputs", "a", "value"), 'model_warmup[0].inputs["a"].value'),
    ],
)
def test_path_text(path: FieldPath, text: str) -> None:
    assert path_text(path) == text


def test_every_name_is_a_map_of_the_schema() -> None:
    found: set[str] = set()
    queue, seen = [schema().ModelConfig.DESCRIPTOR], set()
    while queue:
        descriptor = queue.pop()
        for field in descriptor.fields:
            inner = field.message_type
            if inner is None or inner.full_name in seen:
                continue
            seen.add(inner.full_name)
            queue.append(inner)
            if inner.GetOptions().map_entry:
                found.add(field.name)
    assert found >= MAPS
