"""`python -m flatfield` is the command line."""

from flatfield.cli import main

main()
