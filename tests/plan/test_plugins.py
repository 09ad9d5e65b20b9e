from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trtbuild.errors import UsageError
from trtbuild.plan.options import PlanOptions, check_options
from trtbuild.plan.plugins import unused_notes, used_plugins
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plugin_registry import LoadedPlugin
from trtbuild.plugins import PluginCreator, PluginFile, UsedPlugin

ROLL, SIGN = PluginCreator("Roll", "1", ""), PluginCreator("Sign", "1", "acme")
FILES = (PluginFile(Path("/p/a.so"), "aa"), PluginFile(Path("/p/b.so"), "bb"))
LOADED = (
    LoadedPlugin(FILES[0], "opening", (ROLL, PluginCreator("Other", "1", ""))),
    LoadedPlugin(FILES[1], "getCreators", (SIGN,)),
)


class V2Layer:
    type = "v2"
    plugin = SimpleNamespace(plugin_type="Roll", plugin_version="1", plugin_namespace="")


class V3Layer:
    type = "v3"
    core = SimpleNamespace(plugin_name="Sign", plugin_version="1", plugin_namespace="acme")
    plugin = SimpleNamespace(get_capability_interface=lambda kind: V3Layer.core)


class Plain:
    """What a network hands out: a layer whose own class has to be asked for."""

    def __init__(self, kind: str) -> None:
        self.type = kind


def session() -> Any:
    trt = SimpleNamespace(
        LayerType=SimpleNamespace(PLUGIN_V2="v2", PLUGIN_V3="v3"),
        IPluginV2Layer=V2Layer,
        IPluginV3Layer=V3Layer,
        PluginCapabilityType=SimpleNamespace(CORE="core"),
    )
    return SimpleNamespace(trt=trt, member=lambda enum, name: getattr(getattr(trt, enum), name))


def network(*kinds: str) -> Any:
    layers = [Plain(kind) for kind in kinds]
    return SimpleNamespace(num_layers=len(layers), get_layer=layers.__getitem__)


def test_what_layers_are_made_by_is_found_in_a_network() -> None:
    used = used_plugins(session(), network("conv", "v3", "v2", "v2"), LOADED)
    assert used == (
        UsedPlugin("a.so", "aa", "opening", (ROLL,)),
        UsedPlugin("b.so", "bb", "getCreators", (SIGN,)),
    )
    assert unused_notes(LOADED, used) == ()


def test_a_file_that_no_layer_uses_is_noted() -> None:
    used = used_plugins(session(), network("v3"), LOADED)
    assert [plugin.file for plugin in used] == ["b.so"]
    assert unused_notes(LOADED, used) == (
        "no layer uses the plugin a.so, which has Roll (version 1), Other (version 1)",
    )


def test_tensorrt_for_rtx_has_no_plugins() -> None:
    runtime = RuntimeInfo("tensorrt-rtx", "tensorrt-rtx", "tensorrt_rtx", "1", ())
    with pytest.raises(UsageError, match="tensorrt-rtx has no --plugins"):
        check_options(PlanOptions(plugins=FILES), runtime, ())
