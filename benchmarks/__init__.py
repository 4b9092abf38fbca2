"""Scripts that print the figures of the README and the docs. Each module of this folder is a command."""
