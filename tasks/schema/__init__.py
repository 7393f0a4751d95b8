"""Plain types every room shares: table schemas, manifests, releases, errors, configuration base. Imports nobody."""
