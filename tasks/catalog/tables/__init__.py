"""A shop's table as rows, whatever it is written in. Nothing here knows what a column means."""
