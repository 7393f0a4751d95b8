"""The search page and its JSON API. Follows the live release; knows nothing of Prefect."""
