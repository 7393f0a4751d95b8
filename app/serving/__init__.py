"""What is live: following the channel, loading a release beside the current one, swapping to it."""
