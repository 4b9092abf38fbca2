"""Photos without labels: spaces, maps, search, suggestions and an honest estimate, without a page."""
