"""Generated repositories, judged by us and by a real tritonserver: no disagreements.

TRTBUILD_FUZZ=N makes N cases of each kind from a fresh seed (`make fuzz-validate N=...`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.validate.oracle.chance import Chance
from tests.validate.oracle.compare import difference
from tests.validate.oracle.generate import (
    ensemble_repository,
    folder,
    layout_repository,
    model,
)
from tests.validate.oracle.mutate import mutated
from tests.validate.oracle.server import Triton

FUZZ = int(os.environ.get("TRTBUILD_FUZZ", "0"))


def cases(number: int) -> Callable[[Any], Any]:
    """Hypothesis's settings for `number` cases, always the same ones unless fuzzing."""
    return settings(
        max_examples=FUZZ or number,
        deadline=None,
        derandomize=not FUZZ,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def agree(triton: Triton, files: dict[str, bytes], *, strict: bool = False) -> None:
    differing = difference(triton, files, "m", strict=strict)
    if differing is not None:
        shown = "\n".join(f"-- {path} --\n{text.decode('latin-1')}" for path, text in files.items())
        pytest.fail(f"{differing}\n{shown}")


@cases(600)
@given(data=st.data())
def test_single_models(triton: Triton, data: st.DataObject) -> None:
    c = Chance(data.draw)
    agree(triton, folder(c, "m", model(c)))


@cases(200)
@given(data=st.data())
def test_sequences_and_warmups_of_tensorrt(triton: Triton, data: st.DataObject) -> None:
    c = Chance(data.draw)
    config = model(c, backend="tensorrt")
    # What the real backend would fill in the stand-in leaves out; so all is stated.
    for entry in (*config["input"], *config["output"]):
        entry["data_type"] = entry["data_type"] or 11
        entry["dims"] = entry["dims"] or [4]
    if not (config["input"] and config["output"]):
        config.pop("batch_input", None)
        config.pop("batch_output", None)
    agree(triton, folder(c, "m", config))


@cases(200)
@given(data=st.data())
def test_single_models_without_auto_complete(strict_triton: Triton, data: st.DataObject) -> None:
    c = Chance(data.draw)
    agree(strict_triton, folder(c, "m", model(c)), strict=True)


@cases(500)
@given(data=st.data())
def test_ensembles(triton: Triton, data: st.DataObject) -> None:
    agree(triton, ensemble_repository(Chance(data.draw)))


@cases(200)
@given(data=st.data())
def test_layouts_platforms_and_backends(triton: Triton, data: st.DataObject) -> None:
    agree(triton, layout_repository(Chance(data.draw)))


@cases(300)
@given(data=st.data())
def test_mutated_texts(triton: Triton, data: st.DataObject) -> None:
    c = Chance(data.draw)
    agree(triton, {"m/config.pbtxt": mutated(c, data.draw), "m/1/": b""})
