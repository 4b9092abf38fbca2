"""Runners: processes of this machine, and engines of clusters."""
