"""What schemathesis finds in the served OpenAPI: every operation, with data that fits its schema and that does not."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

#: Whether bytes are an image, words say something and an id is a product's is not for a schema to say.
_NOT_ASKED = "positive_data_acceptance"


def check_openapi(port: int, examples: int, seed: int, thorough: bool) -> list[str]:
    """Faults of the API that answers on ``port``, one line each; prints how much was asked.

    thorough: also each bound of the schema from both sides, some ten thousand requests.
    """
    phases = "examples,coverage,fuzzing" if thorough else "examples,fuzzing"
    with tempfile.TemporaryDirectory(prefix="openapi-") as folder:
        told = Path(folder) / "told.json"
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("st")), "run", f"http://127.0.0.1:{port}/openapi.json"),
                *("--checks", "all", "--exclude-checks", _NOT_ASKED, "--phases", phases),
                *("--max-examples", str(examples), "--seed", str(seed), "--no-shrink", "--continue-on-failure"),
                *("--request-timeout", "30", "--report", "json", "--report-json-path", str(told)),
            ],
            cwd=folder, capture_output=True, text=True, timeout=3600,
        )  # fmt: skip
        report = json.loads(told.read_text()) if told.exists() else {}
    if not report or done.returncode not in (0, 1):
        return [f"schemathesis ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}"]
    print(
        f"{'schemathesis':24} {report['test_cases']['generated']:5} requests, {report['running_time']:.0f} s",
        flush=True,
    )
    faults = [f"{fault['title']} in {', '.join(fault['operations'])}" for fault in report["failures"]]
    return faults or (["a check failed that the report does not name"] if done.returncode else [])
