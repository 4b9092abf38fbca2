"""Labels of a project out of it and into it: copies, folders for training, tables, and tasks of Label Studio."""
