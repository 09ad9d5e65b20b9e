"""Hand-written configs with characters, words and lines changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.validate.oracle.chance import Chance

CONFIGS = (
    b"""# identity
backend: "identity"
max_batch_size: 8
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
""",
    b"""backend: "identity"
max_batch_size: 4
input { name: "image" data_type: TYPE_UINT8 format: FORMAT_NHWC dims: [ 224, 224, 3 ] }
output { name: "probabilities" data_type: TYPE_FP32 dims: [ 1000 ] }
dynamic_batching {
  preferred_batch_size: [ 2, 4 ]
  max_queue_delay_microseconds: 100
  default_queue_policy { timeout_action: REJECT, default_timeout_microseconds: 1000 }
}
version_policy: { latest { num_versions: 2 } }
""",
    b"""backend: 'identity'
sequence_batching {
  max_sequence_idle_microseconds: 5000000
  direct { minimum_slot_utilization: 0.5e0 }
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } ] },
    { name: "ID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] }
  ]
}
input < name: "x" "y"; data_type: 11, dims: 1 dims: 0x2 >
parameters { key: "a\\n\\x41\\101" value { string_value: 'it"s' } }
model_transaction_policy { decoupled: False }
""",
)
WORDS = (
    *(b"{", b"}", b"[", b"]", b":", b",", b";", b"<", b">", b'"', b"'", b"#", b"\n", b"\\", b"-"),
    *(
        b"0",
        b"-1",
        b"1.5",
        b"1e3",
        b"08",
        b"0x",
        b"true",
        b"nan",
        b"TYPE_INVALID",
        b"\xff",
        b"\xc3\xa9",
    ),
    *(b"dims: []", b"max_batch_size: 2", b"latest {}", b"\r", b"\t", b"\x01", b"/", b".", b"f"),
)


def mutated(c: Chance, draw: Callable[[Any], Any]) -> bytes:
    """One of the configs after up to three changes."""
    text = c.pick(*CONFIGS)
    for _ in range(c.pick(1, 1, 2, 3)):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + c.pick(0, 1, 1, 4, 12))
        text = text[:at] + c.pick(b"", *WORDS, text[at:end] * 2) + text[end:]
    return text
