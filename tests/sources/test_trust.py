from trtbuild.sources.trust import TRUST_HINT


def test_the_hint_says_what_the_option_does() -> None:
    assert "--trust-source: it then runs unchecked, with all that you may do" in TRUST_HINT
