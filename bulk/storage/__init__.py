"""Folders of this machine or of a shared file system, and object stores: where inputs and outputs lie."""
