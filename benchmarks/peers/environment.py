"""Environments of the peers: their pins clash with the product's and with one another's."""

import subprocess
import sys
from pathlib import Path


def python_with(folder: Path, packages: tuple[str, ...]) -> Path:
    """The Python in ``folder`` that has ``packages``; installs them there where that was not done to the end."""
    python, done = folder.absolute() / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join(packages)
    if not done.exists() or done.read_text() != wanted:
        print(f"installing {packages[0]} into {folder}", flush=True)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run(
            [*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)], check=True
        )
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
        done.write_text(wanted)
    return python
