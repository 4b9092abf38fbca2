"""`python -m cli` is `shopcat`."""

from cli import main

main()
