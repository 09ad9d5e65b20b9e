"""Bytes to requests and responses to bytes: no I/O, no clock."""
