"""Examples in docstrings are sessions between paragraphs: fenced, so that the site sets them as code."""

from __future__ import annotations

from typing import Any

import griffe


class Fences(griffe.Extension):
    """Put every session of a docstring in a fence."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of whatever has been read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Fence the paragraphs that begin with a prompt.

    >>> fenced("Words.\\n\\n>>> 1 + 1\\n2").split("\\n")
    ['Words.', '', '```python', '>>> 1 + 1', '2', '```']
    """
    paragraphs = text.split("\n\n")
    return "\n\n".join(f"```python\n{p.rstrip()}\n```" if p.lstrip().startswith(">>>") else p for p in paragraphs)
