"""Requests and answers of ``/labels``: projects in which people label photos."""
