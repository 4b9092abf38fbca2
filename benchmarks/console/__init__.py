"""Cost of the console, the speed of its pages, and the coverage of its intervals."""
