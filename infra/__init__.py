"""What the system runs on: containers, compose files, dashboards and the sample shop."""
