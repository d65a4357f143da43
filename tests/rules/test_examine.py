"""`examine`: who is asked, and in which order the answers come."""

from __future__ import annotations

import numpy as np
import pytest

from flatfield.report import LEVELS
from flatfield.rules import RULES, examine, find_rule

from .planted import chain, convolution, layer, ones, random, resize, transposed

EVERYTHING = chain(
    layer("pool", "Pool", (2, 2), (2, 2), mode="max", output_size=(4, 4)),
    convolution("down", random(1, 1, 3, 3), 2, output_size=(4, 4)),
    resize("resize", (2, 2)),
    convolution("behind", random(1, 1, 3, 3), padding=((1, 1), (1, 1))),
    transposed("even", random(1, 1, 4, 4), 2),
    ones("odd", (3, 3), 2),
)


def test_findings_come_worst_first_then_as_the_network_runs_then_by_code() -> None:
    assert [(f.level, f.layer, f.code) for f in examine(EVERYTHING)] == [
        ("error", "odd", "FF001"),
        ("warning", "even", "FF002"),
        ("warning", "odd", "FF004"),
        ("note", "pool", "FF006"),
        ("note", "down", "FF005"),
        ("note", "behind", "FF007"),
        ("note", "behind", "FF008"),
        ("note", "odd", "FF009"),
    ]


def test_only_the_rules_asked_are_asked() -> None:
    asked = [find_rule("FF006"), find_rule("FF001")]
    assert [finding.code for finding in examine(EVERYTHING, asked)] == ["FF001", "FF006"]
    assert examine(EVERYTHING, []) == ()


def test_default_levels() -> None:
    levels = {rule.code: rule.level for rule in RULES}
    assert levels == {
        "FF001": "error",
        **dict.fromkeys(("FF002", "FF003", "FF004"), "warning"),
        **dict.fromkeys(("FF005", "FF006", "FF007", "FF008", "FF009"), "note"),
    }
    assert set(levels.values()) == set(LEVELS)


def test_looking_changes_nothing() -> None:
    weight = random(1, 1, 4, 4)
    before = weight.copy()
    assert examine(chain(transposed("up", weight, 2))) == examine(chain(transposed("up", weight, 2)))
    np.testing.assert_array_equal(weight, before)


@pytest.mark.parametrize("spelling", ["FF001", "ff001", "uneven-overlap", "Uneven-Overlap"])
def test_a_rule_is_found_by_code_or_name(spelling: str) -> None:
    assert find_rule(spelling) is RULES[0]


def test_an_unknown_rule_is_answered_with_the_codes() -> None:
    with pytest.raises(ValueError, match=r"there is no rule 'FF999'; there are FF001, FF002, .*FF009$"):
        find_rule("FF999")
