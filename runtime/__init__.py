"""Storage and execution of models of any kind: bundles, atomic writes, locks, devices, network sessions.

The package imports no other package of the project, so that every other package can use it.
"""
