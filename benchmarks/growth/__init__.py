"""Growth of the cost with rows, stores, horizon, connections, batch and image size: plots and fitted exponents."""

from training.loop.threads import wait_passively

wait_passively()  # as trainings do, before a module of this package loads torch
