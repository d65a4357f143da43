"""Printable: names come from files of strangers, and a terminal obeys control characters."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Spell what does not print (control characters, line ends, marks that turn the writing round) as escapes.

    >>> printable("conv\x1b[2J\n"), printable("größe é")
    ('conv\\x1b[2J\\n', 'größe é')
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
