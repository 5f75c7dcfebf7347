"""Whose credentials Bedrock is asked with, and where: by arguments, the environment, profiles, roles and programs."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from boticelli_cli.drivers.bedrock import bedrock_driver
from boticelli_cli.drivers.bedrock_access import BedrockAccess
from boticelli_cli.drivers.http import Outgoing
from boticelli_cli.errors import CredentialsError, ProviderError, UnreachableError
from boticelli_cli.messages import Message, Request, Text
from tests.drivers.asking import closed_port
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY, TOKEN, FakeBedrock
from tests.fakes.serving import Served

REQUEST = Request("amazon.nova-pro-v1:0", (Message("user", (Text("Hello."),)),))


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """A machine without any credentials, and what writes its AWS configuration."""
    config = tmp_path / "aws-config"
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(text: str) -> None:
        config.write_text(text)

    return write


async def answer(fake: FakeBedrock, **given: str) -> str:
    """What is answered to who has this access."""
    driver = bedrock_driver(BedrockAccess(base_url=fake.url, **given))
    try:
        return (await driver.generate(REQUEST)).text
    finally:
        await driver.aclose()


def set_keys(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    variables = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        **more,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


async def test_asks_with_the_environments_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    set_keys(monkeypatch)
    async with FakeBedrock() as fake:
        assert await answer(fake) == "You said: Hello."
        fake.secrets["ASIAFAKE"] = ("secret", "token")
        set_keys(monkeypatch, AWS_ACCESS_KEY_ID="ASIAFAKE", AWS_SECRET_ACCESS_KEY="secret", AWS_SESSION_TOKEN="token")
        assert await answer(fake) == "You said: Hello."
    assert [asked.key for asked in fake.requests] == [ACCESS_KEY, "ASIAFAKE"]


PROFILES = f"""
[profile painter]
region = eu-north-1
aws_access_key_id = {ACCESS_KEY}
aws_secret_access_key = {SECRET_KEY}
[profile nobody]
region = eu-north-1
aws_access_key_id = AKIANOBODYNOBODYNOBO
aws_secret_access_key = secret
"""


async def test_asks_with_a_profile_in_its_region(monkeypatch: pytest.MonkeyPatch, aws: Callable[[str], None]) -> None:
    aws(PROFILES)
    async with FakeBedrock(region="eu-north-1") as fake:
        assert await answer(fake, profile="painter") == "You said: Hello."
        monkeypatch.setenv("AWS_PROFILE", "painter")
        assert await answer(fake) == "You said: Hello."
        with pytest.raises(CredentialsError, match="credentials were refused"):
            await answer(fake, profile="nobody")
        with pytest.raises(CredentialsError, match=r"profile \(nowhere\)") as raised:
            await answer(fake, profile="nowhere")
    assert "list-profiles" in (raised.value.hint or "")


def test_goes_to_the_region_that_is_set_nearest(monkeypatch: pytest.MonkeyPatch, aws: Callable[[str], None]) -> None:
    aws(PROFILES)
    regions = [
        (BedrockAccess(profile="painter").region_name, "eu-north-1"),
        (monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3"), None),
        (BedrockAccess(profile="painter").region_name, "eu-west-3"),
        (monkeypatch.setenv("AWS_REGION", "eu-west-1"), None),
        (BedrockAccess(profile="painter").region_name, "eu-west-1"),
        (BedrockAccess(profile="painter", region="us-west-2").region_name, "us-west-2"),
    ]
    assert [found for found, _ in regions] == [expected for _, expected in regions]
    access = BedrockAccess(region="us-west-2")
    assert access.url == "https://bedrock-runtime.us-west-2.amazonaws.com"
    assert access.listing_url == "https://bedrock.us-west-2.amazonaws.com"
    assert BedrockAccess(base_url="http://127.0.0.1:8/aws/").url == "http://127.0.0.1:8/aws"


def test_without_a_region_says_what_to_set() -> None:
    with pytest.raises(CredentialsError, match="no region to ask Bedrock in") as raised:
        bedrock_driver(BedrockAccess())
    assert "AWS_REGION" in (raised.value.hint or "")
    assert "an account" in (raised.value.hint or "")


async def test_without_credentials_says_what_to_set() -> None:
    async with FakeBedrock() as fake:
        with pytest.raises(CredentialsError, match="no AWS credentials") as raised:
            await answer(fake, region="us-east-1")
    assert "aws sso login" in (raised.value.hint or "")
    assert fake.requests == []


async def test_sends_a_bearer_token_unless_something_else_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, aws: Callable[[str], None]
) -> None:
    aws(PROFILES)
    async with FakeBedrock(region="eu-north-1") as fake:
        assert await answer(fake, api_key=TOKEN) == "You said: Hello."
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", TOKEN)
        assert await answer(fake) == "You said: Hello."
        assert await answer(fake, profile="painter") == "You said: Hello."
        keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "region": "eu-north-1"}
        assert await answer(fake, **keys) == "You said: Hello."
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "another")
        with pytest.raises(CredentialsError, match="API Key is valid"):
            await answer(fake)
    assert [asked.key for asked in fake.requests] == [TOKEN, TOKEN, ACCESS_KEY, ACCESS_KEY, "another"]


class FakeSts(Served):
    """Gives the credentials of whatever role is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        form = await request.post()
        self.asked.append(str(form["RoleArn"]))
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.Response(
            content_type="text/xml",
            text='<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
            f"<Credentials><AccessKeyId>ASIAROLE{len(self.asked)}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
            f"<SessionToken>token</SessionToken><Expiration>{until}</Expiration></Credentials>"
            "</AssumeRoleResult></AssumeRoleResponse>",
        )


async def test_takes_on_a_chain_of_roles(monkeypatch: pytest.MonkeyPatch, aws: Callable[[str], None]) -> None:
    aws(
        f"{PROFILES}[profile first]\nrole_arn = arn:aws:iam::1:role/first\nsource_profile = painter\n"
        "[profile second]\nrole_arn = arn:aws:iam::1:role/second\nsource_profile = first\nregion = eu-north-1\n"
    )
    async with FakeSts() as sts, FakeBedrock(region="eu-north-1") as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        fake.secrets["ASIAROLE2"] = ("secret", "token")
        assert await answer(fake, profile="second") == "You said: Hello."
    assert sts.asked == ["arn:aws:iam::1:role/first", "arn:aws:iam::1:role/second"]


async def test_says_when_roles_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch, aws: Callable[[str], None]) -> None:
    aws(f"{PROFILES}[profile first]\nrole_arn = arn:aws:iam::1:role/first\nsource_profile = painter\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    async with FakeBedrock() as fake:
        with pytest.raises(UnreachableError, match="AWS gave no credentials, for it could not be reached"):
            await answer(fake, profile="first", region="us-east-1")


async def test_says_how_to_log_in_again(aws: Callable[[str], None]) -> None:
    aws(
        "[profile sso]\nsso_session = house\nsso_account_id = 1\nsso_role_name = painter\nregion = us-east-1\n"
        "[sso-session house]\nsso_region = us-east-1\nsso_start_url = https://example.com/start\n"
    )
    async with FakeBedrock() as fake:
        with pytest.raises(CredentialsError, match="AWS gave no credentials") as raised:
            await answer(fake, profile="sso")
    assert "aws sso login --profile sso" in (raised.value.hint or "")


PROGRAM = """
import json, pathlib, sys
runs = pathlib.Path(sys.argv[1])
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
lasts = sys.argv[2].split(",")[len(runs.read_text()) - 1]
print(json.dumps({"Version": 1, "AccessKeyId": "ASIAPROGRAM", "SecretAccessKey": "secret", "SessionToken": "token",
                  "Expiration": lasts}))
"""


async def test_renews_credentials_that_expire_and_keeps_those_that_last(
    aws: Callable[[str], None], tmp_path: Path
) -> None:
    program, runs = tmp_path / "program.py", tmp_path / "runs"
    program.write_text(PROGRAM)
    soon, late = ((datetime.now(UTC) + timedelta(minutes=each)).isoformat() for each in (1, 600))
    aws(
        f"[profile made]\nregion = us-east-1\ncredential_process = {sys.executable} {program} {runs} {soon},{soon},{late}"
    )
    async with FakeBedrock() as fake:
        fake.secrets["ASIAPROGRAM"] = ("secret", "token")
        driver = bedrock_driver(BedrockAccess(profile="made", base_url=fake.url))
        for _ in range(5):
            await driver.generate(REQUEST)
        await driver.aclose()
    assert len(fake.requests) == 5
    assert runs.read_text() == "xxx"


async def test_signs_address_body_and_type(monkeypatch: pytest.MonkeyPatch) -> None:
    access = BedrockAccess(region="us-east-1", access_key=ACCESS_KEY, secret_key=SECRET_KEY, session_token="token")
    headers = await access.headers(
        Outgoing("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse", b"{}")
    )
    assert set(headers) == {"content-type", "X-Amz-Date", "X-Amz-Security-Token", "Authorization"}
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in headers["Authorization"]
    assert f"Credential={ACCESS_KEY}/" in headers["Authorization"]


def test_never_shows_a_secret_and_refuses_what_can_be_none() -> None:
    access = BedrockAccess(access_key=ACCESS_KEY, secret_key=SECRET_KEY, session_token="token/1", api_key=TOKEN)
    assert not any(secret in repr(access) for secret in (ACCESS_KEY, SECRET_KEY, "token/1", TOKEN))
    for given in ({"access_key": ACCESS_KEY}, {"secret_key": SECRET_KEY}):
        with pytest.raises(CredentialsError, match="belong together"):
            BedrockAccess(**given)
    with pytest.raises(CredentialsError, match="characters in it that no key has"):
        BedrockAccess(api_key=f"{TOKEN}\n")


async def test_credentials_of_an_account_are_named_by_it() -> None:
    async with FakeBedrock() as fake:
        with pytest.raises(CredentialsError) as raised:
            await answer(fake, api_key="another", key_hint="it is the spare one's")
    assert raised.value.hint == "it is the spare one's"


WITHOUT = """
import sys
sys.modules["botocore"] = None
from boticelli_cli.drivers.bedrock import bedrock_driver
from boticelli_cli.drivers.bedrock_access import BedrockAccess
from boticelli_cli.errors import ProviderError
from boticelli_cli.wire.bedrock_frames import FrameReader
for ask in (lambda: bedrock_driver(BedrockAccess()), FrameReader):
    try:
        ask()
    except ProviderError as error:
        print(type(error).__name__, error.hint)
"""


def test_says_what_to_install_where_botocore_is_missing() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert told == "RefusedError run: pip install 'boticelli[bedrock]'\n" * 2


async def test_an_address_may_have_a_path() -> None:
    async with FakeBedrock() as fake:
        access = BedrockAccess(
            region="us-east-1", base_url=f"{fake.url}/proxy/", access_key=ACCESS_KEY, secret_key=SECRET_KEY
        )
        driver = bedrock_driver(access)
        with pytest.raises(ProviderError):
            await driver.generate(REQUEST)
        await driver.aclose()
    assert fake.requests[0].path == "/proxy/model/amazon.nova-pro-v1:0/converse"
    assert json.loads(fake.requests[0].data)["messages"]
