"""The third floor: releases, the live pointer and its log, pins, removals, reader leases, the publish lock.

It builds on artifacts and objects, and knows nothing of garbage collection beyond the claims it writes.
"""
