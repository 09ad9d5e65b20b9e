"""What a model's config keeps when another version or other targets are written.

All versions share one config, so a setting that somebody asked for once holds for the next
version too: instances, batching, warm-up, labels, parameters, and whatever else a plan says
nothing about. What the plans do say is always said anew.
"""

from __future__ import annotations

from collections.abc import Container

from trtbuild.modelconfig.schema import Config

_SAID_BY_PLANS = frozenset((
    "name", "platform", "backend", "max_batch_size", "input", "output", "cc_model_filenames",
    "optimization",  # its CUDA graphs; the rest of it is kept
))  # fmt: skip
_OF_THE_BATCH = frozenset(("dynamic_batching", "model_warmup"))  # they name batch sizes


def keep_settings(old: Config, new: Config, asked: Container[str]) -> Config:
    """`new`, with the settings of `old` that plans say nothing about; returns `new`.

    `asked`: fields that the user gave options for in this run, so they are `new`'s.
    """
    same_batch = old.max_batch_size == new.max_batch_size
    profiles = list(new.instance_group[0].profile) if new.instance_group else []
    _keep_optimization(old, new)
    for field, value in old.ListFields():
        if field.name in _SAID_BY_PLANS or field.name in asked:
            continue
        if field.name in _OF_THE_BATCH and not same_batch:
            continue
        if field.name == "dynamic_batching" and not new.HasField("dynamic_batching"):
            continue  # by its profiles no batches may be formed of it
        new.ClearField(field.name)
        if field.message_type is None and not isinstance(value, (int, float, str, bytes, bool)):
            getattr(new, field.name).extend(value)
        elif field.message_type is None:
            setattr(new, field.name, value)
        else:
            getattr(new, field.name).MergeFrom(value)
    for group in new.instance_group:  # which profiles there are is of the plans
        group.ClearField("profile")
        group.profile.extend(profiles)
    labels = {output.name: output.label_filename for output in old.output}
    for output in new.output:
        output.label_filename = output.label_filename or labels.get(output.name, "")
    return new


def _keep_optimization(old: Config, new: Config) -> None:
    """All of it but CUDA graphs, which name shapes of the plans."""
    kept = type(new.optimization)()
    kept.CopyFrom(old.optimization)
    for field in ("graphs", "graph_spec"):
        kept.cuda.ClearField(field)
    if not kept.cuda.ListFields():
        kept.ClearField("cuda")
    kept.MergeFrom(new.optimization)
    if kept.ListFields():
        new.optimization.CopyFrom(kept)
