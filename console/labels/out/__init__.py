"""Labels out of a project and into it: tables, photos, a bundle that is trained on them, and its serving."""
