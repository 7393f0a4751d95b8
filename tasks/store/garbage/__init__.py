"""The top floor: what is in the store, what of it is needed, and the deletion of the rest.

It reads through the floors below and is the only one that deletes what others made. Nothing imports it but the task.
"""
