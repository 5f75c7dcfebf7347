"""The contenders: what people would write who have no Boticelli, from each library's own documentation."""

import asyncio
import json
import time
from collections.abc import Sequence

import aiohttp
import httpx
from google import genai
from google.genai.types import HttpOptions

__all__ = ["ask_google_genai", "ask_httpx", "ask_many_aiohttp", "first_token_google_genai_live", "first_token_httpx"]

KEY = "test-key"
MODEL = "gemini-3.8-flash"


def address(url: str) -> str:
    return f"{url}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"


def body(prompt: str) -> dict[str, object]:
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}


async def ask_httpx(url: str, prompt: str) -> int:
    """One stream, read line by line: how many chunks it had."""
    chunks = 0
    headers = {"x-goog-api-key": KEY}
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("POST", address(url), json=body(prompt), headers=headers) as response,
    ):
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line[6:])
                if event["candidates"][0]["content"]["parts"][0]["text"]:
                    chunks += 1
    return chunks


async def ask_google_genai(url: str, prompt: str) -> int:
    """One stream of the vendor's own library: how many chunks it had."""
    chunks = 0
    client = genai.Client(api_key=KEY, http_options=HttpOptions(base_url=url))
    try:
        async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents=prompt):
            if chunk.text:
                chunks += 1
    finally:
        await client.aio.aclose()
    return chunks


async def ask_many_aiohttp(url: str, prompts: Sequence[str]) -> list[float]:
    """All prompts at once: the seconds from the start of it all until each had its first token."""
    start = time.perf_counter()
    headers = {"x-goog-api-key": KEY}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as session:

        async def ask(prompt: str) -> float:
            first = 0.0
            async with session.post(address(url), json=body(prompt), headers=headers) as response:
                response.raise_for_status()
                async for line in response.content:
                    if line.startswith(b"data: "):
                        event = json.loads(line[6:])
                        if event["candidates"][0]["content"]["parts"][0]["text"]:
                            first = first or time.perf_counter() - start
            return first

        return await asyncio.gather(*(ask(prompt) for prompt in prompts))


first_token_httpx = """
import json, os, sys
import httpx

url = os.environ["GOOGLE_GEMINI_BASE_URL"] + "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
body = {"contents": [{"role": "user", "parts": [{"text": sys.argv[1]}]}]}
headers = {"x-goog-api-key": os.environ["GEMINI_API_KEY"]}
with httpx.stream("POST", url, json=body, headers=headers, timeout=None) as response:
    response.raise_for_status()
    for line in response.iter_lines():
        if line.startswith("data: "):
            print(json.loads(line[6:])["candidates"][0]["content"]["parts"][0]["text"], end="", flush=True)
"""

first_token_google_genai_live = """
import asyncio, sys
from google import genai

async def main():
    client = genai.Client()
    config = {"response_modalities": ["AUDIO"], "output_audio_transcription": {}}
    async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
        await session.send_realtime_input(text=sys.argv[1])
        async for message in session.receive():
            content = message.server_content
            if content and content.output_transcription and content.output_transcription.text:
                print(content.output_transcription.text, end="", flush=True)

asyncio.run(main())
"""
