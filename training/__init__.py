"""Offline: tables and photos in, bundles and reports out. Nothing here is imported when serving."""
