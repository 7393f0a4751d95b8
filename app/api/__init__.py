"""The JSON API: routes, problem documents, and the guards around them."""
