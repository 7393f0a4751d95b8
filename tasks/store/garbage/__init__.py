"""What is in the store, what of it is needed, and the deletion of the rest."""
