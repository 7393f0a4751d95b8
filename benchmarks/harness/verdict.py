"""The last lines of a benchmark."""

from collections.abc import Mapping


def verdict(bars: Mapping[str, bool]) -> bool:
    """Print each bar, in words, and whether it is met; then the verdict, which is returned: all of them are."""
    for bar, met in bars.items():
        print(f"{'met   ' if met else 'MISSED'} {bar}")
    passed = all(bars.values())
    print("PASSED" if passed else "FAILED")
    return passed
