"""The table of benchmarks: `python -m benchmarks.table` measures its rows and writes them to docs/reference."""
