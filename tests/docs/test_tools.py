"""The checks of the pages find what is wrong with one, and pass what is right."""

from pathlib import Path

import pytest

from docs.tools import configuration, references

RIGHT = """
Read `flows/pipeline.py`, `tasks/{schema,catalog}/` and `flows/*.py`, then `make lint`; [more](page.md#there), [else](https://example.com).

```sh
python -m flows.pipeline --help     # or python -m benchmarks.<name>
```
"""


def test_a_page_that_names_what_exists_has_no_faults(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(RIGHT)
    assert list(references.faults(page)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("`tasks/nothing.py`", "tasks/nothing.py"),
        ("`tasks/{schema,nothing}/`", "tasks/{schema,nothing}/"),
        ("```sh\npython -m flows.nothing\n```", "python -m flows.nothing"),
        ("`make nothing`", "make nothing"),
        ("[there](nothing.md)", "link to nothing.md"),
    ],
)
def test_what_does_not_exist_is_named(tmp_path: Path, text: str, fault: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert list(references.faults(page)) == [fault]


def test_the_page_of_settings_has_fields_of_every_kind() -> None:
    text = configuration.page()
    for row in (
        "| `--publish_anyway` | true, false | `false` |",
        "| `recall_target` | number > 0, ≤ 1 | `0.98` |",
        "| `STORE_URI` | text | `var/store` |",
        "| `APP_API_KEY` | secret | empty |",
        "| `--source` | text or none | none |",
    ):
        assert row in text, row
    assert 'Scheduled: `0 12 * * 0` (`STACK_TIMEZONE`) with `{"config": {"dry_run": false}}`' in text


def test_an_outdated_page_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "configuration.md"
    page.write_text(configuration.page().replace("0.98", "0.97"))
    monkeypatch.setattr(configuration, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["configuration", "--check"])
    with pytest.raises(SystemExit, match="make docs-config"):
        configuration.main()
    page.write_text(configuration.page())
    configuration.main()
