"""Worker processes of one machine or of many, by Ray: plain Python, and the only room that imports it."""
