"""Offline, sales: tables in, the sales bundle and its report out."""
