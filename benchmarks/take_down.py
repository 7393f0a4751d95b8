"""From the start of `remove_items` to the app no longer finding the product: seconds, and where they go.

python -m benchmarks.take_down --items 20000 --times 5

A real Prefect server, the flow as a process of its own (as a worker starts it), the app as another. Exits with 1 where
a product is found later than the limit.
"""

import argparse
import http.client
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.harness.app_process import QUICK, running_app
from benchmarks.harness.made_up_shop import MadeUpShop
from benchmarks.harness.servers import running_prefect
from tasks.store.releases.live import read_live

_LIMIT = 30.0  # seconds; a recall is "now", not "tonight"


def is_found(port: int, item_id: str) -> bool:
    """Whether the app shows the product."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", f"/v1/items/{item_id}")
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status not in (200, 404):
            raise RuntimeError(f"{item_id}: {answer.status} {told}")
        return answer.status == 200
    finally:
        connection.close()


def take_down(port: int, shop: MadeUpShop, item_id: str) -> tuple[float, float]:
    """Seconds from the start of the flow's process to the swap of the live pointer, and to the app's 404."""
    command = [sys.executable, "-m", "flows.remove_items", "--items", item_id, "--reason", "benchmark"]
    places = {"STORE_URI": shop.settings.store_uri, "STORE_CACHE": str(shop.settings.store_cache)}
    began = time.time()
    with subprocess.Popen(command, env=os.environ | places, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as flow:
        while is_found(port, item_id):
            if time.time() - began > 10 * _LIMIT:
                raise TimeoutError(f"{item_id} is still shown")
            time.sleep(0.02)
        gone = time.time() - began
        told = flow.communicate(timeout=120)[1]
    if flow.returncode != 0:
        raise RuntimeError(told.decode())
    live = read_live(shop.store, "production")
    assert live is not None
    return live.pointer.published_at.timestamp() - began, gone


def _children_cpu() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000, help="products of the live release")
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args(arguments)
    used = 0.0
    with tempfile.TemporaryDirectory(prefix="take-down-") as folder:
        shop = MadeUpShop(Path(folder) / "shop", chosen.items)
        shop.publish(shop.release("a", shop.model("m1", 1), shop.index("a", 1)))
        with running_prefect(Path(folder) / "prefect"), running_app(shop, QUICK) as (port, _):
            before = _children_cpu()  # of processes that ended: the app and the servers are still on
            took = [take_down(port, shop, f"a-{2 * number:06d}") for number in range(chosen.times)]
            used = (_children_cpu() - before) / chosen.times
    swapped, gone = (np.array(column) for column in zip(*took, strict=True))
    print(f"products            {chosen.items}, {chosen.times} taken down one after another")
    print(f"start to swap       median {np.median(swapped):.1f} s (the process imports, the flow begins, publishes)")
    print(f"swap to not found   median {np.median(gone - swapped):.2f} s (the app looks every 0.1 s; 5 s by default)")
    print(
        f"processor time      {used:.1f} s for each flow: what the above comes to on a machine with nothing else to do"
    )
    print(f"start to not found  median {np.median(gone):.1f} s, worst {gone.max():.1f} s")
    passed = bool(gone.max() <= _LIMIT)
    print(f"{'PASSED' if passed else 'FAILED'} (limit {_LIMIT:.0f} s)")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
