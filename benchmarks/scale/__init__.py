"""Measurements and simulations of services larger than one machine."""
