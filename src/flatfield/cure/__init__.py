"""The cure: plan (data that prints), apply (on a copy), verify (before anything is written)."""
