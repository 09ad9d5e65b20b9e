"""A rule's page, as `trtbuild explain` prints it and docs/rules.md holds it."""

from __future__ import annotations

import difflib
import re
import textwrap

from trtbuild.errors import UsageError
from trtbuild.validate.codes import RULES
from trtbuild.validate.releases import OPSETS, RELEASES
from trtbuild.validate.rule import SECTIONS, Rule, all_rules, load_rule, matches
from trtbuild.validate.undecided import UNDECIDED

FAMILIES = {
    "C": "The config's text",
    "L": "Layout and versions",
    "B": "Backend and platform",
    "I": "Inputs and outputs",
    "D": "Dynamic batching",
    "S": "Sequences",
    "E": "Ensembles",
    "G": "Instance groups",
    "W": "Warm-up",
    "F": "Model files",
    "P": "TensorRT plans",
    "K": "Locks",
    "Y": "Python models",
    "R": "Metrics and response cache",
    "T": "The server's release",
    "A": "Auto-complete",
    "U": "Suppressions",
}


def rule_of(word: str) -> Rule:
    """The rule called `word` by code or name. Raises `UsageError` with the nearest ones."""
    if word.upper() in RULES:
        return load_rule(word.upper())
    rules = {rule.name: rule for rule in all_rules()}
    if word in rules:
        return rules[word]
    near = difflib.get_close_matches(word, rules) or difflib.get_close_matches(word.upper(), RULES)
    raise UsageError(
        f"no rule is called '{word}'" + (f"; near it are {', '.join(near)}" if near else ""),
        "trtbuild explain --all lists them",
    )


def check_selection(option: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """`words` of `--select` or `--ignore`. Raises `UsageError` for one that no rule matches."""
    for word in words:
        if not any(matches(rule, (word,)) for rule in all_rules()):
            raise UsageError(
                f"{option} '{word}' is no code, beginning of a code, or name of a rule",
                "trtbuild explain --all lists them",
            )
    return words


def page(rule: Rule) -> str:
    """The page for a terminal."""
    parts = [f"{rule.code} {rule.name} ({rule.severity})", rule.title]
    for section in SECTIONS:
        text = rule.section(section)
        code = section in ("Example", "Instead")
        parts.append(
            f"{section}:\n{textwrap.indent(text, '    ')}" if code else f"{section}: {text}"
        )
    parts.append(f"Releases: {rule.releases}")
    return "\n\n".join(parts) + "\n"


def listing() -> str:
    """Every rule on a line."""
    width = max(len(rule.name) for rule in all_rules())
    return "".join(
        f"{rule.code}  {rule.severity!s:7}  {rule.name:{width}}  {rule.title}\n"
        for rule in all_rules()
    )


def markdown() -> str:
    """docs/rules.md: all pages by family, and what cannot be decided offline."""
    parts = [_HEAD.format(first=RELEASES[0], last=RELEASES[-1])]
    for family, title in FAMILIES.items():
        rules = [rule for rule in all_rules() if rule.code.startswith(family)]
        parts.append(f"## {title} ({family})\n")
        parts.append("| code | severity | name | title |\n|---|---|---|---|")
        parts += [
            f"| [{rule.code}](#{rule.code.lower()}-{rule.name}) | {rule.severity} | `{rule.name}` "
            f"| {_cell(rule.title)} |"
            for rule in rules
        ]
        parts.append("")
        parts += [_section(rule) for rule in rules]
    parts.append(_releases())
    parts.append("## What cannot be decided without the server\n")
    parts.append("| what | why |\n|---|---|")
    parts += [f"| {_cell(what)} | {_cell(why)} |" for what, why in UNDECIDED]
    return "\n".join(parts) + "\n"


_HEAD = """# The rules of `trtbuild repo validate`

This page is printed from the rules: `python -m trtbuild.validate.explain > docs/rules.md`.

- **error**: the server refuses to load the model, or never answers.
- **warning**: it loads, then fails or surprises.
- **info**: style, and what auto-complete will fill in.

A comment `# trtbuild: allow CODE` (or a name, or several with commas) silences a finding: on a
line, for that line; on a line of its own, for the next one; above the first field, for the file.
`--triton 24.10` (or `2.51`, or an image's name) judges for that release of Triton: each rule says
in which releases it holds, "all" being those from {first} to {last}. Without it, what only some
releases refuse is told as the newest one has it.
An example is a `config.pbtxt`, or a small repository with a line `-- path --` before each file.
"""


def _releases() -> str:
    """The table of releases."""
    rows = [
        "## Triton's releases\n",
        "What of a release a repository has to fit. Sources: validate/releases.py.\n",
        "| container | server | Python | ONNX Runtime | newest opset |\n|---|---|---|---|---|",
    ]
    for release in RELEASES:
        opset = OPSETS[release.onnxruntime][0] if release.onnxruntime else "not known"
        python = ".".join(map(str, release.python))
        rows.append(
            f"| {release.name} | {release.version} | {python} | "
            f"{release.onnxruntime or 'not known'} | {opset} |"
        )
    return "\n".join([*rows, ""])


def _section(rule: Rule) -> str:
    blocks = [f"### {rule.code} {rule.name}\n", f"{rule.title} ({rule.severity}).\n"]
    for section in SECTIONS:
        text = rule.section(section)
        if section in ("Example", "Instead"):
            blocks.append(f"**{section}**\n\n```\n{text}\n```\n")
        else:
            blocks.append(f"**{section}**: {' '.join(text.split())}\n")
    blocks.append(f"**Releases**: {rule.releases}\n")
    return "\n".join(blocks)


def _cell(text: str) -> str:
    return re.sub(r"([|<>])", r"\\\1", " ".join(text.split()))


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  # the page is the program's output
