from pathlib import Path

import pytest

from trtbuild.bench_plot import check_plot, plot
from trtbuild.errors import UsageError
from trtbuild.verify.timing import Bench, BenchOptions, Query, measurement


def bench() -> Bench:
    options = BenchOptions(warm_up_ms=0)
    found = [
        measurement(
            [Query(5.0 * i, 5.0 * i, 5.0 * i + 3, 0.1, 0.5, 2.0, 0.5) for i in range(4)],
            {"x": (batch, 3)},
            options,
            cuda_graph=False,
        )
        for batch in (1, 8)
    ]
    return Bench("repo/net/1/model.plan", "", "tensorrt", "10.6", "a GPU", options, tuple(found))


def test_a_picture_is_drawn_in_the_form_that_its_name_says(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, start in (("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")):
        check_plot(tmp_path / name)
        plot(bench(), tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        plot(bench(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_another_form_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(UsageError, match=r"a picture ends in \.svg, \.png, \.pdf"):
        check_plot(Path("a.jpeg"))
