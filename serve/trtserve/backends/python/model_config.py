"""`pb_utils.ModelConfig`: what `auto_complete_config` may fill into a model's config.

What is allowed and what contradicts the config follows the class of that name in Triton 2.51's
triton_python_backend_utils, and its messages say the same.
"""

from __future__ import annotations

import json
from typing import Any

_IN_WORDS = {
    "input": "'name', 'data_type', 'dims' and 'optional'",
    "output": "'name', 'data_type' and 'dims'",
}
_ALLOWED = {
    "input": ("name", "data_type", "dims", "optional"),
    "output": ("name", "data_type", "dims"),
}


class ModelConfig:
    """A model's config in JSON form, with the changes that a model may make to it."""

    def __init__(self, model_config: str) -> None:
        self._model_config: dict[str, Any] = json.loads(model_config)

    def as_dict(self) -> dict[str, Any]:
        """The config. To be read: only the methods below are sure to be heard."""
        return self._model_config

    @property
    def _name(self) -> str:
        return str(self._model_config["name"])

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Raise the batch size. `ValueError` where the config names a larger one."""
        stated = self._model_config["max_batch_size"]
        if stated > max_batch_size:
            raise ValueError(
                f"configuration specified max_batch_size {stated}, but in auto-complete-config "
                f"function for model '{self._name}' specified max_batch_size {max_batch_size}"
            )
        self._model_config["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        """Batch dynamically. `ValueError` where the config names another scheduler."""
        for scheduler in ("sequence_batching", "ensemble_scheduling"):
            if scheduler in self._model_config:
                raise ValueError(
                    f"Configuration specified scheduling_choice as '{scheduler}', but "
                    f"auto-complete-config function for model '{self._name}' tries to set "
                    "scheduling_choice as 'dynamic_batching'"
                )
        self._model_config.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy_dict: dict[str, Any]) -> None:
        """Set `decoupled`. `ValueError` where the config says otherwise."""
        if set(transaction_policy_dict) - {"decoupled"}:
            raise ValueError(
                "model transaction property in auto-complete-config function for model "
                f"'{self._name}' contains property other than 'decoupled'."
            )
        policy = self._model_config.setdefault("model_transaction_policy", {})
        for decoupled in transaction_policy_dict.values():
            if policy.setdefault("decoupled", decoupled) != decoupled:
                raise ValueError(
                    f"trying to change decoupled property in auto-complete-config for model "
                    f"'{self._name}', which is already set to '{policy['decoupled']}'."
                )

    def add_input(self, input: dict[str, Any]) -> None:  # noqa: A002  # Triton's name
        """Add an input, or complete the one of that name. `ValueError` where they disagree."""
        self._add("input", input)

    def add_output(self, output: dict[str, Any]) -> None:
        """Add an output, or complete the one of that name. `ValueError` where they disagree."""
        self._add("output", output)

    def _add(self, kind: str, tensor: dict[str, Any]) -> None:
        self._check_properties(kind, tensor)
        for stated in self._model_config[kind]:
            if stated["name"] == tensor["name"]:
                self._check_agreement(kind, stated, tensor)
                stated.update(tensor)
                return
        self._model_config[kind].append(tensor)

    def _check_properties(self, kind: str, tensor: dict[str, Any]) -> None:
        named = f"{kind} '{tensor['name']}'" if "name" in tensor else kind
        where = f"{named} in auto-complete-config function for model '{self._name}'"
        if set(tensor) - set(_ALLOWED[kind]):
            raise ValueError(f"{where} contains property other than {_IN_WORDS[kind]}.")
        for required in ("name", "data_type", "dims"):
            if required not in tensor:
                raise ValueError(f"{where} is missing '{required}' property.")

    def _check_agreement(self, kind: str, stated: dict[str, Any], tensor: dict[str, Any]) -> None:
        name = tensor["name"]
        if stated["data_type"] not in ("TYPE_INVALID", tensor["data_type"]):
            raise ValueError(
                f"unable to load model '{self._name}', configuration expects datatype "
                f"{stated['data_type']} for {kind} '{name}', model provides {tensor['data_type']}"
            )
        for key in ("dims", "optional"):
            absent = not stated.get(key) if key == "dims" else key not in stated
            if absent or key not in tensor or stated[key] == tensor[key]:
                continue
            raise ValueError(
                f"model '{self._name}', tensor '{name}': the model expects {key} {tensor[key]} "
                f"but the model configuration specifies {key} {stated[key]}"
            )
