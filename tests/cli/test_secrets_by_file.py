"""A database's password comes in by a file that the environment names, and is shown nowhere."""

import uuid

import postgres
import pytest

from cli import setup
from recsys.errors import ConfigError


@pytest.fixture
def configured(tmp_path, monkeypatch):
    def made(url: str, password: str | None) -> setup.Setup:
        (tmp_path / "recsys.toml").write_text(f'[store]\nurl = "{url}"\n')
        if password is not None:
            (tmp_path / "password").write_text(password)
        monkeypatch.setenv("RECSYS_STORE_PASSWORD_FILE", str(tmp_path / "password"))
        return setup.load(None, tmp_path)

    return made


def test_the_password_is_put_into_the_address(configured):
    told = configured("postgresql+psycopg://app@db/recsys", "a/b:c@d\n").store_url
    assert told == "postgresql+psycopg://app:a%2Fb%3Ac%40d@db/recsys"


def test_a_file_that_cannot_be_read_is_named(configured):
    with pytest.raises(ConfigError, match="No such file or directory"):
        _ = configured("postgresql+psycopg://app@db/recsys", None).store_url


def test_an_sqlite_store_needs_none(configured):
    assert configured("", None).store_url.startswith("sqlite:///")


def test_a_server_lets_it_in_and_nothing_shows_it(
    typed, postgres_server, postgres_url, tmp_path, monkeypatch
):
    url = postgres_url()
    role = postgres_server.role(f"app_{uuid.uuid4().hex[:8]}")
    postgres_server.sql(f"ALTER ROLE {role} SUPERUSER")
    (tmp_path / "recsys.toml").write_text(
        f'[store]\nurl = "{url.replace("postgres@", f"{role}@")}"\n'
    )
    refused = typed("keys", "list")
    assert refused.code == 2
    (tmp_path / "password").write_text(postgres.PASSWORD + "\n")
    monkeypatch.setenv("RECSYS_STORE_PASSWORD_FILE", str(tmp_path / "password"))
    assert "There is no key yet" in typed("keys", "list").out
    (tmp_path / "password").write_text("another")
    wrong = typed("keys", "list")
    assert (wrong.code, "another" in wrong.err) == (2, False)
