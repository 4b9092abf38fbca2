"""Export of bundles as model repositories of Triton."""
