"""Photos for training: folder layouts, augmentation, batches."""
