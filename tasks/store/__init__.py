"""Object storage: artifacts, images, releases, the live pointer, and the shop's own files."""
