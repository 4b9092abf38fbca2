"""Offline, pets: photos in, the breed bundle and its report out."""
