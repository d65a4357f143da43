"""The rules, one file each; `examine` asks all of them about a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from flatfield.network import Layer, Network
from flatfield.report import LEVELS, Finding
from flatfield.rules import (
    fusable,
    gradient_overlap,
    max_pool_gradient,
    stacked_grids,
    undamped,
    uneven_gain,
    uneven_overlap,
    uneven_subpixel,
    zero_border,
)
from flatfield.rules.rule import Rule, times

RULES: tuple[Rule, ...] = (
    uneven_overlap.RULE,
    uneven_gain.RULE,
    uneven_subpixel.RULE,
    stacked_grids.RULE,
    gradient_overlap.RULE,
    max_pool_gradient.RULE,
    zero_border.RULE,
    fusable.RULE,
    undamped.RULE,
)


def find_rule(code: str) -> Rule:
    """Give a rule by code or name; raises `ValueError` that lists the codes.

    >>> find_rule("ff001").name
    'uneven-overlap'
    """
    for rule in RULES:
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    raise ValueError(f"there is no rule {code!r}; there are {', '.join(rule.code for rule in RULES)}")


def examine(network: Network, rules: Sequence[Rule] = RULES) -> tuple[Finding, ...]:
    """Ask every rule about a network; findings come worst first, then in the network's order.

    >>> up = Layer("up", "ConvTranspose", kernel=(3,), stride=(2,), input_size=(8,), output_size=(17,))
    >>> [(finding.code, finding.level) for finding in examine(Network("one layer", (up,), outputs=("up",)))]
    [('FF001', 'error'), ('FF009', 'note')]
    """
    findings = [finding for rule in rules for finding in _ask(rule, network)]
    order = {layer.name: place for place, layer in enumerate(network.layers)}
    return tuple(sorted(findings, key=lambda f: (LEVELS.index(f.level), order[f.layer], f.code)))


def _ask(rule: Rule, network: Network) -> Iterator[Finding]:
    for hit in rule.check(network):
        remover = network.remover(hit.layer) if rule.about_grid else None
        if remover is None:
            yield Finding(rule.code, rule.level, hit.layer.name, hit.message, hit.cure)
        else:
            reason = f"{hit.message}; lowered: {_why(network, remover, hit.layer)}"
            yield Finding(rule.code, "note", hit.layer.name, reason, hit.cure)


def _why(network: Network, remover: Layer, source: Layer) -> str:
    """Say how the remover does it: a box sums every phase alike, a stride meets the same phase everywhere."""
    reached = network.follow(source)
    arriving = [reached[name] for name in remover.inputs if name in reached]
    period = tuple(math.lcm(*axis) for axis in zip(*arriving, strict=True))
    shape = f"{remover.name} ({remover.operator} {times(remover.kernel)}, stride {times(remover.stride)})"
    if remover.removes(period):
        return f"{shape} sums every period of {times(period)} evenly and removes it"
    return f"{shape} steps over whole periods of {times(period)} and meets the same phase everywhere"


__all__ = ["RULES", "Rule", "examine", "find_rule"]
