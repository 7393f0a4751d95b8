"""Search by words: BM25 over the text of a catalogue's products, with its own vocabulary to mend a query by."""
