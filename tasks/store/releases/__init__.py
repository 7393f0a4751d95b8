"""Releases, the live pointer and its log, pins, removals, reader leases."""
