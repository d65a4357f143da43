"""What the networks are trained for: one file a task."""
