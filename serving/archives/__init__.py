"""Archives of bundles, and the settings of each kind of model; both runners load them."""
