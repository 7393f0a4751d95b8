"""From a query to an answer: requests, encoding, filters, facets, search."""
