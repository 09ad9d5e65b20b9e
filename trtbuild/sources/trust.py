"""What a user says who lets a model run that may do more than compute."""

from __future__ import annotations

TRUST_HINT = (
    "or, if you trust whoever made it with your files, give --trust-source: it then runs "
    "unchecked, with all that you may do"
)
