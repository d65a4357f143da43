"""Learn: the subject explained by doing, as one interactive page that works from a file. Needs `flatfield[pages]`."""

from flatfield.learn.page import CHAPTERS, Chapter, learn_page

__all__ = ["CHAPTERS", "Chapter", "learn_page"]
