"""The contenders: what people write who do without Boticelli, each after its library's own documentation."""

import asyncio
import json
import time

import aiohttp
import httpx

__all__ = [
    "LIVE_SCRIPT",
    "MODEL",
    "REST_SCRIPT",
    "decode_with_google_genai",
    "decode_with_httpx",
    "first_tokens_with_aiohttp",
]

KEY = "test-key"
MODEL = "gemini-3.8-flash"


def address(url: str) -> str:
    return f"{url}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"


def body(prompt: str) -> dict[str, object]:
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}


async def decode_with_httpx(url: str, prompt: str) -> int:
    """One stream, read line by line: how many chunks with text it had."""
    chunks = 0
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("POST", address(url), json=body(prompt), headers={"x-goog-api-key": KEY}) as response,
    ):
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line[6:])
                chunks += event["candidates"][0]["content"]["parts"][0]["text"] != ""
    return chunks


async def decode_with_google_genai(url: str, prompt: str) -> int:
    """One stream, read by the vendor's own library: how many chunks with text it had."""
    from google import genai
    from google.genai.types import HttpOptions

    chunks = 0
    async with genai.Client(vertexai=False, api_key=KEY, http_options=HttpOptions(base_url=url)).aio as client:
        async for chunk in await client.models.generate_content_stream(model=MODEL, contents=prompt):
            chunks += chunk.text != ""
    return chunks


async def first_tokens_with_aiohttp(url: str, prompt: str, count: int) -> list[float]:
    """So many streams at once, each read to its end: the seconds from the start of all to each one's first token."""
    start = time.perf_counter()

    async def ask(session: aiohttp.ClientSession) -> float:
        first = 0.0
        async with session.post(address(url), json=body(prompt), headers={"x-goog-api-key": KEY}) as response:
            response.raise_for_status()
            async for line in response.content:
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    if event["candidates"][0]["content"]["parts"][0]["text"]:
                        first = first or time.perf_counter() - start
        return first

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        return await asyncio.gather(*(ask(session) for _ in range(count)))


REST_SCRIPT = """
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

LIVE_SCRIPT = """
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
