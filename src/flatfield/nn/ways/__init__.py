"""The exact ways to a resize-convolution; one file a way, and what they share."""
