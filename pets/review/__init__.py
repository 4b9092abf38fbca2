"""Photos that a person should look at: the decision, and the copies that are kept for it."""
