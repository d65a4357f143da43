"""UnreadableError: what every reader raises when its target can't be read."""


class UnreadableError(ValueError):
    """The target can't be read: one line that says what, why and what to do."""
