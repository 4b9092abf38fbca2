"""The training loop that all models share: batches, learner, optimizer, checkpoints and threads."""
