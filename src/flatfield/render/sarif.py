"""Report -> SARIF 2.1.0, which code-scanning services read.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from flatfield.report import Finding, Report
from flatfield.rules import RULES, Rule

_HOME = "https://pypi.org/project/flatfield/"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render_sarif(report: Report) -> str:
    """Give the findings of a report as a SARIF log: one result each, located at the layer.

    >>> json.loads(render_sarif(Report(target="model.onnx")))["version"]
    '2.1.0'
    """
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report)]}, indent=2) + "\n"


def _run(report: Report) -> dict[str, Any]:
    driver = {
        "name": "flatfield",
        "informationUri": _HOME,
        "rules": [_rule(rule) for rule in RULES],
    }
    if report.version:
        driver["version"] = report.version
    return {
        "tool": {"driver": driver},
        "artifacts": [{"location": {"uri": quote(report.target)}}],
        "results": [_result(report, finding) for finding in report.findings],
        "columnKind": "unicodeCodePoints",
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": rule.manual.strip(), "markdown": rule.manual.strip()},
        "defaultConfiguration": {"level": rule.level},
    }


def _result(report: Report, finding: Finding) -> dict[str, Any]:
    place = {
        "physicalLocation": {"artifactLocation": {"uri": quote(report.target), "index": 0}},
        "logicalLocations": [{"name": finding.layer, "fullyQualifiedName": finding.layer, "kind": "module"}],
    }
    return {
        "ruleId": finding.code,
        "ruleIndex": next(i for i, rule in enumerate(RULES) if rule.code == finding.code),
        "level": finding.level,
        "message": {"text": f"{finding.layer}: {finding.message}. {finding.cure[:1].upper()}{finding.cure[1:]}."},
        "locations": [place],
    }
