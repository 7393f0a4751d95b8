"""From a query to an answer: what may be asked, encoding, filters, facets, search."""
