"""Google's own client, pointed at a fake, with nothing left open behind it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google import genai
from google.genai import types
from google.genai.client import AsyncClient
from google.oauth2.credentials import Credentials

from tests.fakes.gemini import FakeGemini


@asynccontextmanager
async def google(fake: FakeGemini, *, key: str = "test-key", version: str | None = None) -> AsyncIterator[AsyncClient]:
    """Over the plain port, which REST can use."""
    options = types.HttpOptions(base_url=fake.url, api_version=version)
    async with _closing(genai.Client(api_key=key, http_options=options)) as client:
        yield client


@asynccontextmanager
async def google_tls(fake: FakeGemini, *, key: str = "test-key") -> AsyncIterator[AsyncClient]:
    """Over TLS, which this client insists on for Live."""
    trusted = ssl.create_default_context(cafile=fake.ca_file)
    options = types.HttpOptions(base_url=fake.tls_url, async_client_args={"ssl": trusted})
    async with _closing(genai.Client(api_key=key, http_options=options)) as client:
        yield client


@asynccontextmanager
async def google_cloud(fake: FakeGemini, *, token: str = "test-token") -> AsyncIterator[AsyncClient]:
    """As Vertex: a project, a location and a token. Over TLS, for Live."""
    trusted = ssl.create_default_context(cafile=fake.ca_file)
    client = genai.Client(
        vertexai=True,
        project="project",
        location="global",
        credentials=Credentials(token=token),  # type: ignore[no-untyped-call]
        http_options=types.HttpOptions(base_url=fake.tls_url, async_client_args={"ssl": trusted}),
    )
    async with _closing(client) as open_client:
        yield open_client


@asynccontextmanager
async def _closing(client: genai.Client) -> AsyncIterator[AsyncClient]:
    try:
        yield client.aio
    finally:
        await client.aio.aclose()
        client.close()
