"""Which plugins the layers of a network are made by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild.plan.session import Session
from trtbuild.plugin_registry import LoadedPlugin
from trtbuild.plugins import PluginCreator, UsedPlugin


def used_plugins(
    session: Session, network: Any, loaded: tuple[LoadedPlugin, ...]
) -> tuple[UsedPlugin, ...]:
    """Those of `loaded` that layers of `network` are made by, with the creators in question."""
    used = set(_creators_in(session, network))
    found = (
        UsedPlugin(
            each.file.path.name,
            each.file.digest,
            each.loaded_by,
            tuple(creator for creator in each.creators if creator in used),
        )
        for each in loaded
    )
    return tuple(plugin for plugin in found if plugin.creators)


def unused_notes(loaded: tuple[LoadedPlugin, ...], used: tuple[UsedPlugin, ...]) -> tuple[str, ...]:
    """What to tell the user of files that the network did not need."""
    needed = {plugin.digest for plugin in used}
    return tuple(
        f"no layer uses the plugin {each.file.path.name}, which has "
        f"{', '.join(map(str, each.creators))}"
        for each in loaded
        if each.file.digest not in needed
    )


def _creators_in(session: Session, network: Any) -> Iterator[PluginCreator]:
    """By what a layer's plugin says of itself; V2 and V3 say it in different places."""
    trt = session.trt
    v2, v3 = session.member("LayerType", "PLUGIN_V2"), session.member("LayerType", "PLUGIN_V3")
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if v3 is not None and layer.type == v3:
            layer.__class__ = trt.IPluginV3Layer
            core = layer.plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
            yield PluginCreator(core.plugin_name, core.plugin_version, core.plugin_namespace)
        elif v2 is not None and layer.type == v2:
            layer.__class__ = trt.IPluginV2Layer
            plugin = layer.plugin
            yield PluginCreator(plugin.plugin_type, plugin.plugin_version, plugin.plugin_namespace)
