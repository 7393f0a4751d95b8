"""Object storage: artifacts, pictures, releases, the live pointer, and the shop's own files."""
