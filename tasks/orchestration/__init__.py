"""The Prefect edge that every task shares: policies, and what a run shows of itself."""
