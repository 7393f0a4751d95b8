"""Settings: from the environment, and never a secret in sight."""

import logging
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.store.objects.settings import StoreSettings, home
from tasks.store.objects.store import open_store


def test_the_default_is_a_folder_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = StoreSettings()
    assert settings.store_uri == str(home() / "var" / "store") and (home() / "pyproject.toml").exists()
    monkeypatch.setenv("STORE_URI", "")  # as a compose file passes an unset variable on
    assert StoreSettings() == settings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STORE_URI", "shop")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert open_store().root == (tmp_path / "shop").as_uri()
    assert StoreSettings().region == "eu-west-1"


def test_half_a_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="set both"):
        StoreSettings(aws_access_key_id="only")


@pytest.mark.s3
def test_secrets_are_never_shown(moto_store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="tasks"):
        moto_store.write_bytes("x", b"1")
    settings = moto_store.settings
    shown = f"{settings!r} {settings.model_dump_json()} {moto_store!r} {moto_store.objects!r} {caplog.text}"
    assert "moto-secret" not in shown


@pytest.mark.s3
def test_other_keys_are_another_store(moto_store) -> None:
    changed = moto_store.settings.model_dump() | {"aws_secret_access_key": "rotated"}
    other = open_store(StoreSettings(**changed))
    assert other is not moto_store
    assert other.settings.aws_secret_access_key.get_secret_value() == "rotated"
