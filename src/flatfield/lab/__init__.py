"""The laboratory: the article's experiments, trained for real, each with a verdict that could come out either way."""
