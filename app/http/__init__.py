"""The one HTTP edge: server, connection, admission, guards, request metrics, bodies, problems, the allow-list."""
