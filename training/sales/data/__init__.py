"""Tables for training: reading and checks, the panel made from them, synthetic tables."""
