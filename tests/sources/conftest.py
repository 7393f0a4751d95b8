"""The S3 servers of the store's tests: a shop may lie in a bucket, too."""

from tests.store.conftest import *  # noqa: F403
from tests.store.conftest import _own_environment  # noqa: F401
