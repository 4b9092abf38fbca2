"""Command line: ``python -m shopcat`` is ``shopcat``."""

from cli import main

if __name__ == "__main__":
    main()
