import json

from tests.cli.conftest import Trtbuild


def test_doctor_says_what_is_here_and_how_to_get_the_rest(trtbuild: Trtbuild) -> None:
    done = trtbuild("doctor")
    assert done.returncode == 0, done.stderr
    assert "tensorrt-rtx 1" in done.stdout
    assert "builds for 7.5, 8.0, 8.6, 8.9, 12.0, 12.1" in done.stdout
    facts = json.loads(trtbuild("doctor", "--json").stdout)
    tensorrt = facts["frameworks"][-1]
    assert tensorrt["install"] == (
        "" if all(tensorrt["packages"].values()) else 'pip install "trtbuild[tensorrt]"'
    )
