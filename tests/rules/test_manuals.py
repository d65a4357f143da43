"""Every rule is one file whose docstring is the manual that `explain`, SARIF and the docs print."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType

import pytest

import flatfield.rules
from flatfield.rules import RULES, Rule, examine

from .planted import chain, convolution, layer, ones, random, resize, sub_pixel, transposed

HEADINGS = ["What it does", "Why is this bad?", "Example", "Use instead", "Is the fix safe?", "References"]
PLUMBING = {"rule"}  # the one file here that is no rule
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CLASSES = re.compile(r"flatfield\.nn\.(\w+)(\.(\w+))?")


def rule_files() -> dict[str, ModuleType]:
    names = {found.name for found in pkgutil.iter_modules(flatfield.rules.__path__)} - PLUMBING
    return {name: importlib.import_module(f"flatfield.rules.{name}") for name in names}


def faults(manual: str) -> list[str]:
    """What a manual lacks; empty for a good one."""
    lines = manual.strip().splitlines()
    wrong = []
    if not re.fullmatch(r"[A-Z][^.!?]*(?:[.!?]\S[^.!?]*)*\.", lines[0]):
        wrong.append("the first line is not one sentence that ends in a full stop")
    if [line.removeprefix("## ") for line in lines if line.startswith("#")] != HEADINGS:
        wrong.append("the headings are others, or in another order")
    sections = re.split(r"^## .*$", manual, flags=re.MULTILINE)[1:]
    if any(not section.strip() for section in sections):
        wrong.append("a section is empty")
    if not CODE.search(manual):
        wrong.append("there is no example in Python")
    return wrong


def test_every_file_holds_exactly_one_rule_and_the_table_holds_every_file() -> None:
    files = rule_files()
    held = {
        name: [value for value in vars(module).values() if isinstance(value, Rule)] for name, module in files.items()
    }
    assert {name: len(rules) for name, rules in held.items()} == dict.fromkeys(files, 1)
    assert {rules[0].code for rules in held.values()} == {rule.code for rule in RULES}
    assert all(files[name].RULE is rules[0] for name, rules in held.items())


def test_a_file_is_named_like_its_rule() -> None:
    for name, module in rule_files().items():
        assert module.RULE.name == name.replace("_", "-")
        assert module.RULE.manual is module.__doc__


def test_codes_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == [f"FF{number:03d}" for number in range(1, len(RULES) + 1)]
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_manual_is_complete(rule: Rule) -> None:
    assert faults(rule.manual) == []
    assert rule.summary == rule.manual.strip().splitlines()[0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda manual: manual.replace("## Is the fix safe?", "## Safe?"), "headings"),
        (lambda manual: manual.replace(".", "", 1), "full stop"),
        (lambda manual: "One sentence. And another.\n" + manual, "one sentence"),
        (lambda manual: manual.replace("```python", "```"), "no example"),
        (lambda manual: manual[: manual.index("## References")] + "## References\n", "empty"),
    ],
)
def test_the_test_above_can_fail(change: object, fault: str) -> None:
    assert callable(change)
    wrong = faults(change(RULES[0].manual))
    assert any(fault in line for line in wrong), wrong


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_piece_of_python_compiles(rule: Rule) -> None:
    pieces = CODE.findall(rule.manual)
    assert pieces
    for piece in pieces:
        compile(piece, f"<{rule.code}>", "exec")


def missing(text: str) -> list[str]:
    """Names of `flatfield.nn` that a text tells people to use and that are not there."""
    layers = pytest.importorskip("flatfield.nn")
    if layers.__file__ is None:
        pytest.skip("flatfield.nn is being built")
    return [
        name for name, _, method in CLASSES.findall(text)
        if not hasattr(layers, name) or (method and not hasattr(getattr(layers, name), method))
    ]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_manual_names_what_exists(rule: Rule) -> None:
    assert missing(rule.manual) == []


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_cures_name_what_exists(dims: int) -> None:
    three, four = (3,) * dims, (4,) * dims
    network = chain(
        layer("pool", "Pool", three, (2,) * dims, mode="max"),
        convolution("down", random(1, 1, *three), 2),
        resize("resize", (2,) * dims),
        convolution("behind", random(1, 1, *three)),
        sub_pixel("sub", random(2**dims, 1, *three)),
        transposed("even", random(1, 1, *four), 2),
        ones("odd", three, 2),
    )
    cures = [finding.cure for finding in examine(network)]
    named = [name for cure in cures for name, _, _ in CLASSES.findall(cure)]
    assert len(named) >= 8
    assert all(name.endswith(f"{dims}d") for name in named)
    assert missing(" ".join(cures)) == []


def test_a_name_that_does_not_exist_is_seen() -> None:
    assert missing("use flatfield.nn.Nothing2d or flatfield.nn.ResizeConv2d.from_nothing(x)") == [
        "Nothing2d",
        "ResizeConv2d",
    ]
