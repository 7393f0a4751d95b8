"""Object storage in four floors, each built on those below: `objects`, `artifacts`, `releases`, `garbage`."""
