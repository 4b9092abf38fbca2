"""Data contracts: requests, answers, problems and bundle manifests. Depends on pydantic only."""
