import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.capability import GPUS, KNOWN, Capability, capability_from_text
from trtbuild.errors import UsageError


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("8.6", "8.6"),
        ("sm_86", "8.6"),
        ("sm86", "8.6"),
        ("SM_120", "12.0"),
        ("sm_90a", "9.0"),
        ("compute_89", "8.9"),
        ("T4", "7.5"),
        ("A10", "8.6"),
        ("L4", "8.9"),
        ("A100", "8.0"),
        ("H100", "9.0"),
        ("RTX 4090", "8.9"),
        ("rtx4090", "8.9"),
        ("RTX-4090", "8.9"),
        ("NVIDIA GeForce RTX 4090", "8.9"),
        ("Tesla T4", "7.5"),
        ("NVIDIA H200", "9.0"),
    ],
)
def test_the_spellings_people_use(text: str, key: str) -> None:
    assert str(capability_from_text(text)) == key


# As `nvidia-smi` prints them, of every line of data-centre and workstation GPUs from Turing on.
NVIDIA_SMI = """
Tesla T4=7.5
NVIDIA T4G=7.5
NVIDIA A100-SXM4-40GB=8.0
NVIDIA A100-SXM4-80GB=8.0
NVIDIA A100 80GB PCIe=8.0
NVIDIA A100-PCIE-40GB=8.0
A100-SXM4-40GB MIG 1g.5gb=8.0
NVIDIA A100-SXM4-80GB MIG 3g.40gb=8.0
NVIDIA A800-SXM4-80GB=8.0
NVIDIA A800 40GB Active=8.0
NVIDIA A30=8.0
NVIDIA A10=8.6
NVIDIA A10G=8.6
NVIDIA A10-24Q=8.6
GRID T4-16Q=7.5
GRID A100D-80C=8.0
NVIDIA A100-1-5C=8.0
GRID RTX6000-24Q=7.5
NVIDIA A16=8.6
NVIDIA A2=8.6
NVIDIA A40=8.6
NVIDIA A40-48Q=8.6
NVIDIA L4=8.9
NVIDIA L40=8.9
NVIDIA L40S=8.9
NVIDIA L40S-48Q=8.9
NVIDIA L20=8.9
NVIDIA L2=8.9
NVIDIA H100 80GB HBM3=9.0
NVIDIA H100 PCIe=9.0
NVIDIA H100 NVL=9.0
NVIDIA H100 80GB HBM3 MIG 1g.10gb+me=9.0
NVIDIA H200=9.0
NVIDIA H200 NVL=9.0
NVIDIA H20=9.0
NVIDIA H20-3e=9.0
NVIDIA H800 PCIe=9.0
NVIDIA GH200 480GB=9.0
NVIDIA GH200 144G HBM3e=9.0
NVIDIA B200=10.0
NVIDIA GB200=10.0
NVIDIA B300 SXM6 AC=10.3
NVIDIA GB300=10.3
NVIDIA GB10=12.1
NVIDIA RTX PRO 6000 Blackwell Server Edition=12.0
NVIDIA RTX PRO 6000 Blackwell Workstation Edition=12.0
NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition=12.0
NVIDIA RTX PRO 4000 Blackwell SFF Edition=12.0
NVIDIA RTX PRO 4500 Blackwell=12.0
NVIDIA RTX PRO 5000 Blackwell Generation Laptop GPU=12.0
NVIDIA RTX 6000 Ada Generation=8.9
NVIDIA RTX 4000 SFF Ada Generation=8.9
NVIDIA RTX 5880 Ada Generation=8.9
NVIDIA RTX 3500 Ada Generation Laptop GPU=8.9
NVIDIA RTX 2000 Ada Generation=8.9
NVIDIA RTX A6000=8.6
NVIDIA RTX A2000 12GB=8.6
NVIDIA RTX A1000 Laptop GPU=8.6
NVIDIA RTX A400=8.6
NVIDIA RTX A5500=8.6
Quadro RTX 8000=7.5
Quadro RTX 6000=7.5
Quadro RTX 5000 with Max-Q Design=7.5
Quadro T2000=7.5
NVIDIA T400 4GB=7.5
NVIDIA T1000 8GB=7.5
NVIDIA T1200 Laptop GPU=7.5
NVIDIA TITAN RTX=7.5
TITAN RTX=7.5
NVIDIA TITAN V=7.0
Tesla V100-SXM2-32GB=7.0
Tesla V100S-PCIE-32GB=7.0
NVIDIA GeForce RTX 2080 Ti=7.5
NVIDIA GeForce RTX 2080 Super with Max-Q Design=7.5
NVIDIA GeForce GTX 1660 SUPER=7.5
NVIDIA GeForce RTX 3050 6GB Laptop GPU=8.6
NVIDIA GeForce RTX 3090=8.6
NVIDIA GeForce RTX 3080 Ti Laptop GPU=8.6
NVIDIA GeForce RTX 4070 Ti SUPER=8.9
NVIDIA GeForce RTX 4090=8.9
NVIDIA GeForce RTX 4090 D=8.9
NVIDIA GeForce RTX 4090 Laptop GPU=8.9
NVIDIA GeForce RTX 5090=12.0
NVIDIA GeForce RTX 5070 Ti Laptop GPU=12.0
NVIDIA Thor=11.0
Orin (nvgpu)=8.7
8.6=8.6
sm_90=9.0
a10=8.6
RTX4090=8.9
rtx 6000 ada=8.9
NVIDIA CMP 170HX=8.0
"""


@pytest.mark.parametrize("line", NVIDIA_SMI.split("\n")[1:-1])
def test_a_name_as_nvidia_smi_prints_it(line: str) -> None:
    name, key = line.split("=")
    assert str(capability_from_text(name)) == key


@pytest.mark.parametrize(
    "name", ["RTX 6000", "H300", "Ada", "NVIDIA", "4090 x", "80GB", "A100-99Z"]
)
def test_what_names_no_gpu_or_two_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        capability_from_text(name)


@pytest.mark.parametrize("capability", KNOWN)
def test_each_capability_reads_its_own_spellings(capability: Capability) -> None:
    for text in (f"{capability}", f"sm_{capability.major}{capability.minor}"):
        assert capability_from_text(text) == capability


def test_every_gpu_of_the_table_is_found_by_its_name() -> None:
    for name, capability in GPUS.items():
        assert capability_from_text(f"NVIDIA {name.upper()}") == capability


def test_an_unknown_name_gets_the_near_ones() -> None:
    with pytest.raises(UsageError) as caught:
        capability_from_text("A11")
    assert caught.value.message == (
        "no GPU and no compute capability is called 'A11'; near it are A16, A10"
    )
    assert "8.9" in caught.value.hint


@pytest.mark.parametrize("text", ["8.8", "86", "", "sm_", "9", "1.0", "9.9.9", "all"])
def test_what_is_no_capability_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        capability_from_text(text)


@given(st.text())
def test_any_text_gives_a_capability_or_a_usage_error(text: str) -> None:
    try:
        assert capability_from_text(text) in KNOWN
    except UsageError as error:
        assert text in error.message


def test_capabilities_sort_by_number_not_by_text() -> None:
    assert sorted([Capability(12, 0), Capability(8, 9), Capability(8, 6)])[-1] == Capability(12, 0)
