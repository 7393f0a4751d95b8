"""What dead writers leave half-written is cleared away once it is old; locks and whole objects stay."""

from datetime import UTC, datetime, timedelta

from tasks.store.objects.bucket import BucketObjects
from tasks.store.objects.store import Store

NOW = datetime.now(UTC)
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


def test_only_old_scraps_go(store: Store) -> None:
    names = ("models/a/.tmp-1-x", "live/.probe-1", "models/a/whole.bin", ".lock-files/live--production.json")
    for name in names:
        store.objects.write(name, b"1", durable=False)
    assert store.objects.drop_scratch(EARLIER) == 0
    assert store.objects.drop_scratch(LATER) == 2
    assert [store.exists(name) for name in names] == [False, False, True, True]


def test_uploads_that_never_ended_are_aborted(moto_store: Store) -> None:
    objects = moto_store.objects
    assert isinstance(objects, BucketObjects)
    begun = {"Bucket": objects.bucket, "Key": objects._key("models/a/large.bin")}
    objects._client.create_multipart_upload(**begun)
    objects._client.create_multipart_upload(Bucket=objects.bucket, Key="somebody-else/large.bin")
    assert objects.drop_scratch(datetime(2000, 1, 1, tzinfo=UTC)) == 0  # moto says that every upload began in 2010
    assert objects.drop_scratch(LATER) == 1
    left = objects._client.list_multipart_uploads(Bucket=objects.bucket).get("Uploads", [])
    assert [upload["Key"] for upload in left] == ["somebody-else/large.bin"]
