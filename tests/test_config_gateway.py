"""The gateway's part of the configuration."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from boticelli_cli.config import GatewaySettings
from boticelli_cli.grants import Grant
from tests.configuring import configured, mistakes

ONE, TWO = "0123456789abcdef" * 4, "fedcba9876543210" * 4
KEY = "bot-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"


def test_reads_what_each_key_grants(folder: Path) -> None:
    user = f"""
gateway:
  keys:
    - {{name: ci, sha256: {ONE.upper()}, permissions: [claude, gemini], models: [gemini-*], max_concurrent: 5, rpm: 60,
       tpm: 90000, usd_per_day: 2, usd_total: 30.5, expires: 2099-01-31}}
    - {{name: me, sha256: {TWO}, models: gemini-3.8-flash, expires: "2099-01-31T18:00+02:00"}}
"""
    ci, me = configured(folder, user=user).gateway.keys
    expires = datetime(2099, 1, 31, tzinfo=UTC)
    assert ci == Grant("ci", ONE, ("claude", "gemini"), ("gemini-*",), expires, 60, 90_000, 5, 2.0, 30.5)
    assert me == Grant("me", TWO, ("all",), ("gemini-3.8-flash",), expires.replace(hour=16))


def test_reads_the_options_of_serving_with_files_beside_the_configuration(folder: Path) -> None:
    user = """
gateway: {host: 0.0.0.0, port: 9000, redis: "redis://:secret@db:6379", workers: 2, grace: 5, max_body_mb: 64,
  tls_cert: cert.pem, tls_key: /etc/key.pem}
"""
    assert configured(folder, user=user).gateway == GatewaySettings(
        (),
        "0.0.0.0",
        9000,
        "redis://:secret@db:6379",
        2,
        5.0,
        64,
        folder.parent / "home" / "cert.pem",
        Path("/etc/key.pem"),
    )
    assert configured(folder).gateway == GatewaySettings()


def test_a_project_may_not_say_who_uses_the_users_accounts(folder: Path) -> None:
    said = mistakes(folder, project=f"gateway: {{keys: [{{name: me, sha256: {ONE}}}]}}")
    assert said == (
        "boticelli.yaml:1:1: 'gateway' in a project would say who may use your accounts; "
        "write it into your own file, 'home/config.yaml', if you trust it"
    )


def test_a_key_that_has_expired_is_told_to_who_looks_for_mistakes_and_is_no_mistake(folder: Path) -> None:
    config = configured(folder, user=f"gateway:\n  keys:\n  - {{name: old, sha256: {ONE}, expires: 2020-01-01}}")
    [notice] = config.gateway.notices
    assert notice.endswith("config.yaml:3: gateway key 'old' has expired; it opens nothing any more")
    assert notice in config.hints
    assert config.notices == ()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (f"{{sha256: {ONE}}}", "1:18: gateway key 1: 'name' is missing"),
        ("{name: a}", "1:18: gateway key 1: 'sha256' is missing"),
        ("{name: a, sha256: abc}", "1:28: gateway key 1: 'sha256' is the hash of a key, 64 hexadecimal digits"),
        (f"{{name: a, sha256: {KEY}}}", "and never the key itself; boticelli serve keys new NAME --format json"),
        (f"{{name: {KEY}, sha256: {ONE}}}", "1:19: gateway key 1: a key's name is no key"),
        (f"{{name: anyone, sha256: {ONE}}}", "1:19: gateway key 1: 'anyone' is what those without a key are called"),
        (f'{{name: "a\\n", sha256: {ONE}}}', "1:19: gateway key 1: a key's name is at most 64 letters, digits"),
        (f"{{name: a, sha256: {ONE}}}, {{name: a, sha256: {TWO}}}", "gateway key 2: key 1 has this name already"),
        (
            f"{{name: a, sha256: {ONE}}}, {{name: b, sha256: {ONE.upper()}}}",
            "gateway key 2: this is the same key as key 1",
        ),
        (
            f"{{name: a, sha256: {ONE}, permissions: [claud]}}",
            "'permissions' item 1 is 'claud'; it must be one of claude, gemini, openai, all, admin; did you mean 'claude'?",
        ),
        (f"{{name: a, sha256: {ONE}, permissions: [{KEY}]}}", "'permissions' item 1 is '…'; it must be one of"),
        (f"{{name: a, sha256: {ONE}, permissions: []}}", "'permissions' must not be empty"),
        (f"{{name: a, sha256: {ONE}, expires: soon}}", "'expires' is no date; it looks like 2027-01-31"),
        (f"{{name: a, sha256: {ONE}, rpm: 0}}", "gateway key 1: 'rpm' is 0; it must be at least 1"),
        (f"{{name: a, sha256: {ONE}, usd_per_day: .nan}}", "'usd_per_day' must be a number"),
        (f"{{name: a, sha256: {ONE}, usd_a_day: 1}}", "unknown key 'usd_a_day'; did you mean 'usd_per_day'?"),
        (f"{{name: a, sha256: {ONE}, {KEY}: 1}}", "unknown key '…'"),
        (KEY, "'keys' item 1 must be a mapping of keys to values"),
    ],
)
def test_mistakes_are_told_with_their_place_and_without_a_key(folder: Path, keys: str, said: str) -> None:
    told = mistakes(folder, user=f"gateway: {{keys: [{keys}]}}")
    assert said in told
    assert KEY not in told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("hots: a", "unknown key 'hots'; did you mean 'host'?"),
        ("port: 70000", "'port' is 70000; it must be at most 65535"),
        ("workers: 0", "'workers' is 0; it must be at least 1"),
        ("redis: ':hunter2@db'", "1:11: 'redis' is no address of a Redis; it looks like redis://"),
        ("tls_cert: a.pem", "1:11: 'tls_cert' needs 'tls_key' beside it"),
        ("tls_key: a.pem", "1:11: 'tls_key' needs 'tls_cert' beside it"),
    ],
)
def test_mistakes_in_its_options_are_told_with_their_place(folder: Path, options: str, said: str) -> None:
    told = mistakes(folder, user=f"gateway: {{{options}}}")
    assert said in told
    assert "hunter2" not in told
