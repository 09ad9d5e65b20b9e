"""What one `--profile` says: the smallest, usual and largest size of dims, by name. Pure."""

from __future__ import annotations

import re

from trtbuild.errors import UsageError

DimRanges = dict[str, tuple[int, int, int]]  # dim -> min, opt, max

# A dim's name may hold ',' and '=' itself: it ends at the last '=' before three sizes.
_ITEM = re.compile(r"\s*(?P<dim>.+?)\s*=\s*(?P<sizes>\d+x\d+x\d+)\s*(?:,|$)")


def dim_ranges_from_text(text: str) -> DimRanges:
    """Read `batch=1x8x32,seq=1x64x128`. Raises `UsageError` for what says no sizes of dims."""
    ranges: DimRanges = {}
    position, text = 0, text.strip()
    while position < len(text) or not ranges:
        if (match := _ITEM.match(text, position)) is None:
            raise UsageError(
                f"--profile '{text}' is not DIM=MINxOPTxMAX",
                "write for example --profile batch=1x8x32,seq=1x64x128",
            )
        low, usual, high = (int(size) for size in match["sizes"].split("x"))
        if not low <= usual <= high or usual < 1:
            raise UsageError(
                f"--profile '{text}': dim '{match['dim']}' has min {low}, opt {usual}, max {high}",
                "they must not shrink from min to max, and opt must be 1 or more",
            )
        if match["dim"] in ranges:
            raise UsageError(
                f"--profile '{text}' names dim '{match['dim']}' twice",
                "give each dim of a profile once; another --profile makes another profile",
            )
        ranges[match["dim"]] = (low, usual, high)
        position = match.end()
    return ranges


def text_of_ranges(ranges: DimRanges) -> str:
    """What `dim_ranges_from_text` reads."""
    return ",".join(f"{dim}={'x'.join(map(str, sizes))}" for dim, sizes in ranges.items())
