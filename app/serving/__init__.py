"""What is live: following the channel, loading the next release, swapping to it."""
