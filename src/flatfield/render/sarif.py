"""Report -> SARIF 2.1.0, which code-scanning services read.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""

from __future__ import annotations

import json
from pathlib import PureWindowsPath
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
        "artifacts": [{"location": {"uri": target_uri(report.target)}}],
        "results": [_result(report, finding) for finding in report.findings],
        "columnKind": "unicodeCodePoints",
    }


def target_uri(target: str) -> str:
    r"""Write a target as a URI: a path (of Windows too) as it is, anything else escaped so that it stays one name.

    >>> target_uri("a b.onnx"), target_uri("package.module:factory"), target_uri(r"C:\models\up.onnx")
    ('a%20b.onnx', 'package.module%3Afactory', 'file:///C:/models/up.onnx')
    """
    windows = PureWindowsPath(target)
    if len(windows.drive) > 1 and windows.is_absolute():
        path = quote(windows.as_posix(), safe="/:", errors="surrogatepass")
        return f"file:{path}" if path.startswith("//") else f"file:///{path}"
    return quote(target, errors="surrogatepass")


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
        "physicalLocation": {"artifactLocation": {"uri": target_uri(report.target), "index": 0}},
        "logicalLocations": [{"name": finding.layer, "fullyQualifiedName": finding.layer, "kind": "module"}],
    }
    known = [rule.code for rule in RULES]
    index = {"ruleIndex": known.index(finding.code)} if finding.code in known else {}  # a later version's report
    return {
        "ruleId": finding.code,
        **index,
        "level": finding.level,
        "message": {"text": f"{finding.layer}: {finding.message}. {finding.cure[:1].upper()}{finding.cure[1:]}."},
        "locations": [place],
    }
