"""The short form of benchmarks/faulty_store.py without its nights: calls through a proxy that fails many of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.faults.proxy import FATAL, FaultProxy
from benchmarks.faulty_store import Bench, try_calls
from benchmarks.kill_matrix import Place
from tasks.schema.errors import StoreUnavailable
from tasks.store.objects.store import Store

pytestmark = pytest.mark.s3


@pytest.fixture
def faulty(moto_endpoint: str) -> Iterator[FaultProxy]:
    with FaultProxy(moto_endpoint, seed=0, hold=0.4) as running:
        yield running


def test_a_swap_counts_once_and_no_wrong_byte_is_handed_out(moto_endpoint: str, tmp_path: Path) -> None:
    environment = {"STORE_URI": "s3://shop/t-calls", "AWS_ENDPOINT_URL": moto_endpoint}
    environment |= {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto-secret"}
    bench = Bench(Place("moto", environment, lambda source, target: None), "", None, "", tmp_path)
    part = try_calls(bench, swaps=8, downloads=8)
    assert part.faults == []


READS: dict[str, Callable[[Store, Path], object]] = {
    "stat": lambda store, folder: store.stat("a/table.parquet"),
    "list": lambda store, folder: store.list("a"),
    "read": lambda store, folder: store.read_bytes("a/table.parquet"),
    "table": lambda store, folder: store.read_table("a/table.parquet"),
    "columns": lambda store, folder: store.read_table("a/table.parquet", ["x"]),
    "download": lambda store, folder: store.download("a/table.parquet", folder / "copy"),
}


@pytest.mark.parametrize("fault", FATAL)
def test_every_way_to_read_notices_every_fault(
    faulty: FaultProxy, make_moto_store: Callable[..., Store], tmp_path: Path, fault: str
) -> None:
    name = f"reads-{fault.replace(' ', '-')}"
    store = make_moto_store(faulty.endpoint, name, store_timeout=0.2, store_tries=1)
    calm = make_moto_store(faulty.endpoint, name)
    calm.write_table("a/table.parquet", pa.table({"x": list(range(1000)), "y": list(range(1000))}))
    faulty.faults = (fault,)
    for read, call in READS.items():
        whole = call(calm, tmp_path)
        faulty.share = 1.0
        if (read, fault) == ("stat", "truncate"):  # its answer has no body to cut
            assert call(store, tmp_path) == whole
        else:
            with pytest.raises(StoreUnavailable):
                call(store, tmp_path)
        faulty.share = 0.0


@pytest.mark.parametrize("fault", FATAL)
def test_a_write_that_failed_leaves_the_old_object_or_the_new_one(
    faulty: FaultProxy, make_moto_store: Callable[..., Store], fault: str
) -> None:
    name = f"writes-{fault.replace(' ', '-')}"
    store = make_moto_store(faulty.endpoint, name, store_timeout=0.2, store_tries=2)
    calm = make_moto_store(faulty.endpoint, name)
    calm.write_bytes("a/object.bin", b"old" * 10_000)
    faulty.share, faulty.faults = 1.0, (fault,)
    try:
        store.write_bytes("a/object.bin", b"new" * 10_000)
    except StoreUnavailable:
        pass
    else:
        assert fault == "cut head", "an answer that says 200 is enough"
    faulty.share = 0.0
    assert calm.read_bytes("a/object.bin") in (b"old" * 10_000, b"new" * 10_000)
