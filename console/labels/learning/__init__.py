"""Maps, search, learning and the audit of a project: what is computed from its rows and labels."""
