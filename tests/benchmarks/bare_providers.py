"""The contenders at other providers than Gemini: what people write who do without Boticelli, over aiohttp."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY

__all__ = ["CLAUDE", "GPT", "NOVA", "first_tokens"]

CLAUDE, GPT, NOVA = "claude-sonnet-5-5", "gpt-5.2", "us.amazon.nova-lite-v1:0"

Ask = Callable[[aiohttp.ClientSession, str, str], Awaitable[float]]


async def first_tokens(urls: Mapping[str, str], prompt: str, each: int) -> list[float]:
    """So many streams of each provider at once, read to their ends: when the first token of each came."""
    start = time.perf_counter()

    async def ask(session: aiohttp.ClientSession, provider: str) -> float:
        return await _ASKING[provider](session, urls[provider], prompt) - start

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        return await asyncio.gather(*(ask(session, provider) for _ in range(each) for provider in urls))


async def _anthropic(session: aiohttp.ClientSession, url: str, prompt: str) -> float:
    body = {"model": CLAUDE, "max_tokens": 1000, "stream": True, "messages": [{"role": "user", "content": prompt}]}
    headers = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
    return await _events(
        session, f"{url}/v1/messages", body, headers, lambda event: event.get("delta", {}).get("text", "")
    )


async def _openai(session: aiohttp.ClientSession, url: str, prompt: str) -> float:
    body = {"model": GPT, "stream": True, "messages": [{"role": "user", "content": prompt}]}
    headers = {"authorization": "Bearer test-key"}
    return await _events(
        session,
        f"{url}/v1/chat/completions",
        body,
        headers,
        lambda event: event["choices"][0]["delta"].get("content", "") if event["choices"] else "",
    )


async def _events(
    session: aiohttp.ClientSession,
    url: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    text_of: Callable[[Any], str],
) -> float:
    first = 0.0
    async with session.post(url, json=body, headers=headers) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: ") and line != b"data: [DONE]\n" and text_of(json.loads(line[6:])):
                first = first or time.perf_counter()
    return first


async def _bedrock(session: aiohttp.ClientSession, url: str, prompt: str) -> float:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.eventstream import EventStreamBuffer

    body = json.dumps({"messages": [{"role": "user", "content": [{"text": prompt}]}]}).encode()
    address = f"{url}/model/{NOVA}/converse-stream"
    request = AWSRequest("POST", address, data=body, headers={"content-type": "application/json"})
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "bedrock", "us-east-1").add_auth(request)
    first, frames = 0.0, EventStreamBuffer()
    async with session.post(address, data=body, headers=dict(request.headers)) as response:
        response.raise_for_status()
        async for piece in response.content.iter_any():
            frames.add_data(piece)
            for frame in frames:
                if json.loads(frame.payload).get("delta", {}).get("text"):
                    first = first or time.perf_counter()
    return first


_ASKING: Mapping[str, Ask] = {"anthropic": _anthropic, "openai": _openai, "bedrock": _bedrock}
