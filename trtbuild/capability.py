"""GPU compute capabilities: how people spell them, which GPU has which.

Source: NVIDIA's table of CUDA GPUs and their compute capability, 2026. A name that is not in
the table is refused with the nearest ones, never guessed.
"""

from __future__ import annotations

import difflib
import re

import msgspec

from trtbuild.errors import UsageError


class Capability(msgspec.Struct, frozen=True, order=True):
    """A compute capability; `str()` gives Triton's key for `cc_model_filenames`: "8.6"."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


# Lower case, no vendor words; each GPU of one line has the capability of its key. Data-centre and
# workstation GPUs from Turing on are all here, with those of GeForce, of laptops and of vGPUs.
_GPUS = {
    "7.0": "v100, v100s, titan v, quadro gv100",
    "7.2": "xavier, agx xavier, xavier nx",
    "7.5": "t4, t4g, t400, t500, t550, t600, t1000, t1200, t2000, rtx 2060, rtx 2060 super, "
    "rtx 2070, rtx 2070 super, rtx 2080, rtx 2080 super, rtx 2080 ti, titan rtx, gtx 1630, "
    "gtx 1650, gtx 1650 super, gtx 1650 ti, gtx 1660, gtx 1660 super, gtx 1660 ti, mx450, mx550, "
    "quadro t1000, quadro t2000, quadro rtx 3000, quadro rtx 4000, quadro rtx 5000, "
    "quadro rtx 6000, quadro rtx 8000, rtx6000, rtx8000, cmp 30hx, cmp 40hx, cmp 50hx",
    "8.0": "a100, a100x, a100d, a800, a30, a30x, cmp 170hx",
    "8.6": "a10, a10g, a10m, a2, a16, a40, rtx 2050, rtx 3050, rtx 3050 ti, rtx 3060, rtx 3060 ti, "
    "rtx 3070, rtx 3070 ti, rtx 3080, rtx 3080 ti, rtx 3090, rtx 3090 ti, mx570, rtx a400, "
    "rtx a500, rtx a1000, rtx a2000, rtx a3000, rtx a4000, rtx a4500, rtx a5000, rtx a5500, "
    "rtx a6000, cmp 70hx, cmp 90hx",
    "8.7": "orin, agx orin, orin nx, orin nano",
    "8.9": "l2, l4, l20, l40, l40g, l40s, rtx 4050, rtx 4060, rtx 4060 ti, rtx 4070, "
    "rtx 4070 super, rtx 4070 ti, rtx 4070 ti super, rtx 4080, rtx 4080 super, rtx 4090, "
    "rtx 4090 d, rtx 500 ada, rtx 1000 ada, rtx 2000 ada, rtx 3000 ada, rtx 3500 ada, "
    "rtx 4000 ada, rtx 4500 ada, rtx 5000 ada, rtx 5880 ada, rtx 6000 ada",
    "9.0": "h100, h200, h20, h800, gh200",
    "10.0": "b100, b200, gb200",
    "10.3": "b300, gb300",
    "11.0": "thor, agx thor",
    "12.0": "rtx 5050, rtx 5060, rtx 5060 ti, rtx 5070, rtx 5070 ti, rtx 5080, rtx 5090, "
    "rtx 5090 d, rtx pro 500, rtx pro 1000, rtx pro 2000, rtx pro 3000, rtx pro 4000, "
    "rtx pro 4500, rtx pro 5000, rtx pro 6000, rtx pro 6000d",
    "12.1": "gb10, dgx spark",
}


def _capability(key: str) -> Capability:
    major, minor = key.split(".")
    return Capability(int(major), int(minor))


GPUS: dict[str, Capability] = {
    name: _capability(key) for key, names in _GPUS.items() for name in names.split(", ")
}
KNOWN: tuple[Capability, ...] = tuple(_capability(key) for key in _GPUS)

# What nvidia-smi says beside the name: vendor, form, memory, edition, a MIG or vGPU's share.
_BESIDE = re.compile(
    r"\b(?:nvidia|geforce|tesla|grid|jetson|laptop|embedded|gpu|graphics|generation|edition|"
    r"workstation|server|blackwell|lovelace|ampere|hopper|sff|oem|super ?chip|max q|with|design|"
    r"active|passive|sxm\d*|pcie?|nvl\d*|hbm\d\w*|ac|3e|\d+(?:\.\d+)? ?gb?)\b|\(.*?\)"
)
_SHARE = re.compile(r" mig \d+[gc]\.\S.*$|(?: \d)? \d{1,3}[abcqs](?:me)?$")
_NUMBER = re.compile(r"(?:sm|compute)?[_ ]?(\d{1,2})\.(\d)|(?:sm|compute)[_ ]?(\d{1,2})(\d)a?")


def capability_from_text(text: str) -> Capability:
    """Read `8.6`, `sm_86`, `A10`, `RTX 4090` or `NVIDIA A100-SXM4-40GB`. Raises `UsageError`.

    A GPU's name is taken as people say it and as `nvidia-smi` prints it.

    A capability that no GPU has (8.8) is refused as well as a name that nobody knows.
    """
    word = " ".join(text.lower().replace("-", " ").split())
    if match := _NUMBER.fullmatch(word):
        capability = Capability(int(match[1] or match[3]), int(match[2] or match[4]))
        if capability in KNOWN:
            return capability
    else:
        name = " ".join(_BESIDE.sub(" ", _SHARE.sub("", word)).split())
        plain = " ".join(_BESIDE.sub(" ", word).split())
        for candidate in (plain, name, re.sub(r"^(gtx|rtx)(?=\d)", r"\1 ", name)):
            if candidate in GPUS:
                return GPUS[candidate]
    raise _unknown(text, word)


def _unknown(text: str, word: str) -> UsageError:
    near = difflib.get_close_matches(word, GPUS, n=3)
    also = f"; near it are {', '.join(name.upper() for name in near)}" if near else ""
    known = ", ".join(str(capability) for capability in KNOWN)
    return UsageError(
        f"no GPU and no compute capability is called '{text}'{also}",
        f"give a compute capability ({known}), a GPU such as A10 or 'RTX 4090', 'all' or 'current'",
    )
