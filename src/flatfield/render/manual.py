"""Manual: a rule's docstring as blocks, so that a page can set headings, paragraphs and code by themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "paragraph", "code"]
_BLOCKS = re.compile(r"```\w*\n(?P<code>[\s\S]*?)```|^##+ (?P<heading>.*)$|(?P<paragraph>(?:^(?!```|##).+\n?)+)", re.M)


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph or code. The parts of a paragraph are text and code in turn, beginning with text."""

    kind: Kind
    parts: tuple[str, ...]


def blocks(manual: str) -> tuple[Block, ...]:
    """Cut a manual in the Markdown that rules are written in: `##` headings, fenced code, paragraphs.

    >>> [(block.kind, block.parts) for block in blocks("## Why?\\nBecause `k` is 3.")]
    [('heading', ('Why?',)), ('paragraph', ('Because ', 'k', ' is 3.'))]
    """
    return tuple(_block(found) for found in _BLOCKS.finditer(manual.strip()))


def _block(found: re.Match[str]) -> Block:
    if found["code"] is not None:
        return Block("code", (found["code"].rstrip("\n"),))
    if found["heading"] is not None:
        return Block("heading", (found["heading"].strip(),))
    return Block("paragraph", tuple(found["paragraph"].strip().split("`")))
