"""All dialects as one family: what one says, another can, and nothing is lost without being named."""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import anthropic as anthropic_client
import boto3
import httpx
import openai as openai_client
import pytest
from botocore.config import Config
from google import genai
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import (
    CachePoint,
    Delta,
    Finish,
    Media,
    MediaDelta,
    Message,
    Part,
    Request,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Thought,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    parts_of,
)
from boticelli_cli.wire import anthropic, bedrock_converse, bedrock_invoke, gemini, openai
from boticelli_cli.wire.body import Encoded, Losses, encode_json
from boticelli_cli.wire.stream import BodyReader, EventBody, Writer
from boticelli_cli.wire.tool_names import RULES, ToolNames
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.bedrock import TOKEN, FakeBedrock
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.wire import spoken, spoken_gemini
from tests.wire.answering import Answering


@dataclass(frozen=True)
class Dialect:
    """One dialect's requests, both ways, and whose words they are."""

    words: str
    model: str
    encode: Callable[[Request], Encoded]
    decode: Callable[[bytes], Request]


DIALECTS = {
    "gemini": Dialect(
        "gemini", (_G := "gemini-2.5-flash"), gemini.encode_request, lambda body: gemini.decode_request(body, _G)
    ),
    "anthropic": Dialect(
        "anthropic",
        "claude-sonnet-4-6",
        lambda request: anthropic.encode_request(request, streamed=False),
        anthropic.decode_request,
    ),
    "openai": Dialect(
        "openai", "gpt-5.2", lambda request: openai.encode_request(request, streamed=False), openai.decode_request
    ),
    "bedrock_converse": Dialect(
        "bedrock",
        (_N := "amazon.nova-pro-v1:0"),
        bedrock_converse.encode_request,
        lambda body: bedrock_converse.decode_request(body, _N),
    ),
    "bedrock_invoke": Dialect(
        "anthropic",
        (_C := "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        bedrock_invoke.encode_request,
        lambda body: bedrock_invoke.decode_request(body, _C),
    ),
}

# What the vendors' own clients send, and whether each other service takes it.

SEAL = base64.b64encode(b"sealed thought").decode()
PICTURE = b"\x89PNG\r\n\x1a\n"
PAPER = b"%PDF-1.4"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ANSWERS = (
    Response(
        (
            Thought("Hm.", SEAL),
            Text("Let me see."),
            ToolCall("look_up", {"city": "Ulm"}, "call_a"),
            ToolCall("look_up", {"city": "Köln"}, "call_b"),
        ),
        Finish("tool_call"),
    ),
    Response(
        (
            Thought("So.", SEAL),
            ToolCall("measure", {"city": "Ulm"}, "call_c"),
        ),
        Finish("tool_call"),
    ),
    Response((Text("Done."),), Finish("stop")),
)
RESULTS = {"call_a": "rain", "call_b": "sun", "call_c": "3 °C"}


def from_anthropic(client: Any, model: str) -> None:
    mark = {"type": "ephemeral"}

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    messages: list[Any] = [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(PICTURE)}},
                {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": encoded(PAPER)}},
                {"type": "text", "text": "What is the weather there?", "cache_control": mark},
            ],
        }
    ]  # fmt: skip
    tools = [
        {"name": "look_up", "description": "Looks up.", "input_schema": SCHEMA},
        {"name": "measure", "input_schema": SCHEMA, "cache_control": mark},
    ]
    for _ in ANSWERS:
        answer = client.messages.create(
            model=model,
            max_tokens=4096,
            system=[{"type": "text", "text": "Be brief.", "cache_control": mark}],
            messages=messages,
            tools=tools,
            tool_choice={"type": "auto"},
            thinking={"type": "enabled", "budget_tokens": 1024},
            metadata={"user_id": "user_1_account_2_session_3"},
        )
        calls = [block for block in answer.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULTS[call.id]} for call in calls]
        messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]


def ask_anthropic(url: str) -> None:
    with anthropic_client.Anthropic(api_key="none", base_url=url, max_retries=0) as client:
        from_anthropic(client, DIALECTS["anthropic"].model)


def ask_bedrock_invoke(url: str) -> None:
    with anthropic_client.AnthropicBedrock(
        aws_access_key="a", aws_secret_key="b", aws_region="us-east-1", base_url=url, max_retries=0
    ) as client:
        from_anthropic(client, DIALECTS["bedrock_invoke"].model)


def ask_openai(url: str) -> None:
    def encoded(kind: str, data: bytes) -> str:
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": encoded("image/png", PICTURE)}},
                {"type": "file", "file": {"file_data": encoded("application/pdf", PAPER), "filename": "a.pdf"}},
                {"type": "text", "text": "What is the weather there?"},
            ],
        },
    ]
    tools: Any = [
        {"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("look_up", "measure")
    ]
    with openai_client.OpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client:
        for _ in ANSWERS:
            answer = client.chat.completions.create(
                model=DIALECTS["openai"].model, messages=messages, tools=tools, tool_choice="auto", reasoning_effort="low"
            )  # fmt: skip
            said = answer.choices[0].message
            messages.append({"role": "assistant", "content": said.content, "tool_calls": said.tool_calls})
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": RESULTS[call.id]} for call in said.tool_calls or ()
            ]


def ask_gemini(url: str) -> None:
    contents: Any = [
        types.Content(
            role="user",
            parts=[
                types.Part.from_bytes(data=PICTURE, mime_type="image/png"),
                types.Part.from_bytes(data=PAPER, mime_type="application/pdf"),
                types.Part.from_text(text="What is the weather there?"),
            ],
        )
    ]
    tools = [
        types.Tool(
            function_declarations=[
                types.FunctionDeclaration(name=name, parameters_json_schema=SCHEMA) for name in ("look_up", "measure")
            ]
        )
    ]
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=tools,
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=2048),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=url))
    for _ in ANSWERS:
        answer = client.models.generate_content(model=DIALECTS["gemini"].model, contents=contents, config=config)
        told = answer.candidates[0].content if answer.candidates else None
        parts = [
            types.Part.from_function_response(name=call.name or "", response={"output": RESULTS[call.id or ""]})
            for call in answer.function_calls or ()
        ]  # as its automatic calling has them: without their ids
        contents += [told, types.Content(role="user", parts=parts)]
    client.close()


def ask_bedrock_converse(url: str) -> None:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}),
    )
    messages: list[Any] = [
        {
            "role": "user",
            "content": [
                {"image": {"format": "png", "source": {"bytes": PICTURE}}},
                {"document": {"format": "pdf", "name": "a", "source": {"bytes": PAPER}}},
                {"text": "What is the weather there?"},
                {"cachePoint": {"type": "default"}},
            ],
        }
    ]
    tools = [{"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}} for name in ("look_up", "measure")]
    for _ in ANSWERS:
        answer = client.converse(
            modelId=DIALECTS["bedrock_converse"].model,
            system=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
            messages=messages,
            inferenceConfig={"maxTokens": 4096},
            toolConfig={"tools": tools, "toolChoice": {"auto": {}}},
        )
        said = answer["output"]["message"]
        calls = [block["toolUse"] for block in said["content"] if "toolUse" in block]
        results = [
            {"toolResult": {"toolUseId": each["toolUseId"], "content": [{"text": RESULTS[each["toolUseId"]]}]}}
            for each in calls
        ]
        messages += [said, {"role": "user", "content": results}]
    client.close()


ASKING: dict[str, tuple[Callable[[str], None], Callable[[Response], bytes]]] = {
    "gemini": (ask_gemini, gemini.encode_response),
    "anthropic": (ask_anthropic, anthropic.encode_response),
    "openai": (ask_openai, openai.encode_response),
    "bedrock_converse": (ask_bedrock_converse, bedrock_converse.encode_response),
    "bedrock_invoke": (ask_bedrock_invoke, bedrock_invoke.encode_response),
}


def hello(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-5.2", "messages": [{"role": "user", "content": "Hello?"}], **more}


def gemini_says(*contents: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": [part]} for role, part in contents], **more}


def call_of(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}


HARD: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "a document and not a word",
        "gemini",
        gemini_says(("user", {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}})),
    ),
    ("the model begins", "gemini", gemini_says(("model", {"text": "Hello!"}), ("user", {"text": "Hello?"}))),
    (
        "a choice of tools that there are not",
        "gemini",
        gemini_says(("user", {"text": "Hello?"}), toolConfig={"functionCallingConfig": {"mode": "AUTO"}}),
    ),
    (
        "the answer that came without a word, and ids that come again",
        "openai",
        hello(
            messages=[
                {"role": "user", "content": "Hello?"},
                {"role": "assistant", "content": ""},
                {"role": "user", "content": "Are you there?"},
                {"role": "assistant", "content": None, "tool_calls": [call_of("call_0")]},
                {"role": "tool", "tool_call_id": "call_0", "content": "1"},
                {"role": "assistant", "content": None, "tool_calls": [call_of("call_0"), call_of("x" * 40)]},
                {"role": "tool", "tool_call_id": "x" * 40, "content": ""},
                {"role": "tool", "tool_call_id": "call_0", "content": "2"},
                {"role": "user", "content": "And?"},
            ],
            tools=[{"type": "function", "function": {"name": "f"}}],
        ),
    ),
    (
        "names of tools that not all services take",
        "gemini",
        gemini_says(
            ("user", {"text": "Hello?"}),
            ("model", {"functionCall": {"name": "files.read", "args": {}}}),
            ("user", {"functionResponse": {"name": "files.read", "response": {"output": "1"}}}),
            tools=[{"functionDeclarations": [{"name": name} for name in ("files.read", "files_read", "_a:b")]}],
        ),
    ),
    (
        "calls of tools that are there no more",
        "openai",
        hello(
            messages=[
                {"role": "user", "content": "Hello?"},
                {"role": "assistant", "content": None, "tool_calls": [call_of("call_0")]},
                {"role": "tool", "tool_call_id": "call_0", "content": "1"},
            ]
        ),
    ),
)


@pytest.fixture(scope="module")
def sent() -> Iterator[dict[str, list[bytes]]]:
    """What each client sent, turn by turn."""
    with Answering() as server:
        bodies: dict[str, list[bytes]] = {}
        for name, (ask, encode) in ASKING.items():
            server.prepare(*map(encode, ANSWERS))
            ask(server.url)
            bodies[name] = [body for _, body in server.asked]
        for _, name, said in HARD:
            bodies[name].append(json.dumps(said).encode())
        yield bodies


def tools_of(request: Request) -> list[tuple[str, str, Any]]:
    """Who called whom with what, and what came of it, under the ids that tell."""
    parts = [part for message in request.messages for part in message.parts]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    results = [part for part in parts if isinstance(part, ToolResult)]
    told = []
    for call in calls:
        result = next(each for each in results if each.id in (None, call.id))
        results.remove(result)
        assert result.name == call.name
        told.append((call.name, call.arguments, result.output))
    return told


async def test_what_any_client_sends_every_service_takes(sent: dict[str, list[bytes]]) -> None:
    async with FakeGemini() as google, FakeAnthropic() as claude, FakeOpenAI() as gpt, FakeBedrock() as amazon:
        keys = {"authorization": f"Bearer {TOKEN}"}
        where: dict[str, tuple[str, dict[str, str]]] = {
            "gemini": (f"{google.url}/v1beta/models/{_G}:generateContent", {"x-goog-api-key": "test-key"}),
            "anthropic": (f"{claude.url}/v1/messages", {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}),
            "openai": (f"{gpt.url}/v1/chat/completions", {"authorization": "Bearer test-key"}),
            "bedrock_converse": (f"{amazon.url}/model/{_N.replace(':', '%3A')}/converse", keys),
            "bedrock_invoke": (f"{amazon.url}/model/{_C.replace(':', '%3A')}/invoke", keys),
        }
        refused = []
        async with httpx.AsyncClient() as client:
            for spoken, bodies in sent.items():
                for turn, body in enumerate(bodies):
                    decoded = DIALECTS[spoken].decode(body)
                    for name, dialect in DIALECTS.items():
                        said = ToolNames.of(decoded, RULES[dialect.words]).fit(decoded)
                        encoded = dialect.encode(replace(said, model=dialect.model, dialect=DIALECTS[spoken].words))
                        url, headers = where[name]
                        answer = await client.post(url, content=encoded.body, headers=headers)
                        if name == "bedrock_invoke":  # Claude is as strict there, which the fake of Bedrock is not
                            body_there = {**json.loads(encoded.body), "model": "claude-sonnet-4-6"}
                            del body_there["anthropic_version"]
                            url, headers = where["anthropic"]
                            answer = await client.post(url, json=body_there, headers=headers)
                        if answer.status_code != 200:
                            refused.append((spoken, name, turn, answer.text[:300]))
                        again = dialect.decode(encoded.body)
                        if tools_of(again) != tools_of(said):
                            refused.append((spoken, name, turn, "other tools"))
    assert not refused, "\n".join(map(str, refused))


# Requests: what comes back is what was said, but for what is named as lost.

outputs = spoken.values | st.lists(st.builds(Text, st.text(max_size=5)) | spoken_gemini.media(), max_size=2).map(tuple)
call_ids = st.sampled_from((None, "a", "a.b", "a_b", "call_1", "x" * 70))
any_media = st.builds(
    Media,
    st.sampled_from(("image", "audio", "video", "document")),
    st.sampled_from(("image/png", "image/tiff", "audio/wav", "audio/ogg", "video/mp4", "application/pdf", "text/csv")),
    st.sampled_from((b"a,b", b"\xff\0")),
    name=st.sampled_from((None, "a.pdf", "År")),
) | st.builds(
    Media,
    st.sampled_from(("image", "audio", "video", "document")),
    st.sampled_from(("image/png", "application/pdf", "video/mp4")),
    url=st.sampled_from(("https://example.com/a.png", "s3://bucket/a", "gs://bucket/a")),
)
any_part = (
    st.builds(Text, st.sampled_from(("", " \n", "Hello. ", "Well?")))
    | any_media
    | st.builds(Thought, st.just("Hm."), st.sampled_from((None, SEAL)))
    | st.builds(Thought, st.just(""), st.sampled_from((None, SEAL)), st.just(True))
    | st.builds(ToolCall, spoken.names, spoken.mappings, call_ids, st.sampled_from((None, SEAL)))
    | st.builds(ToolResult, spoken.names, outputs, call_ids, st.booleans())
    | st.builds(CachePoint, st.sampled_from((None, "5m", "1h")))
)
some_tools = st.lists(spoken_gemini.tools | st.builds(CachePoint), max_size=3).map(tuple)
anything: st.SearchStrategy[Request] = st.builds(
    Request,
    st.just("any"),
    st.lists(
        st.builds(Message, spoken_gemini.roles, st.lists(any_part, max_size=4).map(tuple)), min_size=1, max_size=4
    ).map(tuple),
    system=st.none()
    | st.sampled_from(("", " ", "Be brief.", (Text("Be"), CachePoint(), Text("brief.")), (CachePoint(),))),
    temperature=st.none() | st.just(0.5),
    top_p=st.none() | st.just(0.5),
    max_tokens=st.none() | st.just(20_000),
    stop=st.lists(st.sampled_from(("", " ", "END", "STOP", "###", "a", "b")), max_size=6).map(tuple),
    thinking=spoken_gemini.thinking,
    show_thoughts=st.booleans(),
    schema=st.none() | spoken.mappings,
    tools=some_tools,
    tool_choice=spoken.choices,
    options=st.just({}) | st.just({"top": 1}),
    session=st.none() | st.just("s"),
    dialect=st.sampled_from((None, "another")),
)

NAMED: dict[str, set[str]] = {
    "texts": {"document", "text/csv"},
    "media": {
        *("image", "audio", "video", "document", "image addresses", "audio addresses", "video addresses"),
        *("document addresses", "media in answers", "tool result media"),
        *("image/png", "image/tiff", "audio/wav", "audio/ogg", "video/mp4", "application/pdf", "text/csv"),
        "image/*",
        *(f"{kind} of the assistant" for kind in ("image", "audio", "video", "document")),
        "results of no call",
        "tools out of their turn",
    },
    "thoughts": {"thoughts", "unsigned thoughts", "redacted thoughts"},
    "seals": {"thoughts", "unsigned thoughts", "redacted thoughts", "thought signatures", "calls without results", "tools out of their turn"},
    "calls": {"calls without results", "tools out of their turn"},
    "results": {"results of no call", "tools out of their turn"},
    "errors": {"tool errors", "results of no call", "tools out of their turn"},
    "marks": {"cache marks"},
    "thinking": {"thinking", "thinking budget"},
    "stop": {"blanks as stop sequences", "stop sequences above 4", "stop sequences above 5"},
    "choice": {"tool choice", "a choice between tools"},
    "tools": {"tool choice"},
    "options": {"option top"},
}  # fmt: skip
"""For each thing that may be lost, the names that may say so."""


def facts(request: Request) -> dict[str, Any]:
    """What a request says, so far as dialects are to carry it.

    Not counted, as there is nothing to lose in it: texts of blanks and blanks around texts, a limit or a schema that a
    dialect has to have, choices where there are no tools and showing thoughts where none are asked for, the names of
    files and what is ours alone, marks that follow each other; how data are written as text, and where in the conversation results of tools and
    the media in them, and calls within their turn, stand; and the words that Converse has to have: a beginning of the
    user's, and beside documents their names.
    """
    parts = [(turn.role, part) for turn in request.messages for part in turn.parts]
    results = [part for _, part in parts if isinstance(part, ToolResult)]
    pieces = [piece for each in results if isinstance(each.output, tuple) for piece in each.output]
    media = [part for _, part in parts if isinstance(part, Media)] + [
        each for each in pieces if isinstance(each, Media)
    ]
    thoughts = [part for _, part in parts if isinstance(part, Thought)]
    added = {"Begin.", *(each.name for each in media)}
    calls = [part for _, part in parts if isinstance(part, ToolCall)]
    sections = (request.system if isinstance(request.system, tuple) else (), request.tools, [part for _, part in parts])
    thinking = {"minimal": "low", True: None, -1: None}.get(request.thinking, request.thinking)  # type: ignore[call-overload]
    return {
        "system": (request.system_text or "").split(),
        "texts": [
            (role, part.text.split())
            for role, part in parts
            if isinstance(part, Text) and part.text.strip() and part.text not in added
        ],
        "media": Counter(each.data if each.url is None else each.url for each in media),
        "thoughts": Counter((each.text, each.redacted) for each in thoughts),
        "seals": Counter(each.signature for each in (*thoughts, *calls) if each.signature),
        "calls": [(each.name, encode_json(each.arguments)) for each in calls],
        "results": len(results),
        "errors": sum(each.is_error for each in results),
        "marks": sum(map(marks, sections)),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "stop": request.stop,
        "thinking": thinking or None,
        "schema": request.schema,
        "tools": [(tool.name, tool.description or None) for tool in request.declared_tools],
        "choice": request.tool_choice if request.declared_tools else None,
        "options": {key: value for key, value in request.options.items() if key == "top"},
    }


def is_text(turn: Message) -> bool:
    return any(isinstance(part, Media) and part.mime.startswith("text/") for part in turn.parts)


def marks(section: Iterable[object]) -> int:
    """How many places are marked, of a system prompt, of tools or of messages."""
    told = [each for each in section if not isinstance(each, Text) or each.text.strip()]
    return sum(
        isinstance(each, CachePoint) and not isinstance(last, CachePoint)
        for last, each in zip([None, *told], told, strict=False)
    )


@pytest.mark.parametrize("name", DIALECTS)
@given(request_=anything)
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_without_being_named(name: str, request_: Request) -> None:
    dialect = DIALECTS[name]
    encoded = dialect.encode(request_)
    try:
        back = dialect.decode(encoded.body)
    except UsageError:  # nothing was left to be said
        assert encoded.losses or not any(
            not isinstance(part, Text) or part.text.strip() for turn in request_.messages for part in turn.parts
        )
        return
    check_named(name, request_, back, encoded.losses)


def check_named(name: str, request_: Request, back: Request, losses: tuple[str, ...]) -> None:
    """Raises AssertionError where a dialect of this name made less of a request, and does not say so."""
    said, heard = facts(request_), facts(back)
    for what in said:
        if what == "max_tokens" and said[what] is None:
            continue
        if what in ("texts", "media") and name == "openai" and any(map(is_text, request_.messages)):
            continue  # it takes no documents of text, and is told them as text
        if what in ("tools", "choice") and name == "bedrock_converse" and request_.tool_choice == "none":
            continue  # it has no word for that: it is told of no tools instead
        if said[what] != heard[what]:
            names = set(losses) if what == "marks" else NAMED.get(what, set())  # what stood between is named
            assert names & set(losses), f"{what}: {said[what]} became {heard[what]}"


FACES = ("anthropic", "gemini", "openai")
"""The dialects that clients speak."""


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("face", FACES)
@given(request_=anything)
@settings(max_examples=12, deadline=None)
def test_what_clients_say_reaches_every_service_or_is_named(face: str, upstream: str, request_: Request) -> None:
    try:
        said = DIALECTS[face].decode(DIALECTS[face].encode(replace(request_, dialect=None)).body)
    except UsageError:  # nothing that the client's dialect could say
        return
    said = replace(said, dialect=DIALECTS[face].words)
    encoded = DIALECTS[upstream].encode(said)
    try:
        back = DIALECTS[upstream].decode(encoded.body)
    except UsageError:
        assert encoded.losses or not any(facts(said)["texts"])
        return
    check_named(upstream, said, back, encoded.losses)


# Answers: every stream is read as it was written, wherever it is cut.

WRITERS: dict[str, tuple[Callable[[], Any], Callable[[], BodyReader]]] = {
    "gemini": (gemini.StreamWriter, lambda: EventBody(gemini.StreamReader())),
    "anthropic": (lambda: anthropic.StreamWriter("m"), lambda: EventBody(anthropic.StreamReader())),
    "openai": (lambda: openai.StreamWriter(include_usage=True), lambda: EventBody(openai.StreamReader())),
    "bedrock_converse": (bedrock_converse.StreamWriter, bedrock_converse.ConverseBody),
    "bedrock_invoke": (lambda: bedrock_invoke.StreamWriter("m"), bedrock_invoke.InvokeBody),
}
SEALING = ("anthropic", "bedrock_converse", "bedrock_invoke")
"""Those that can say the seals of thoughts, and thoughts that are nothing else."""
PICTURING = ("gemini", "openai", "bedrock_converse")

told_deltas: st.SearchStrategy[list[Delta]] = st.lists(
    st.builds(TextDelta, st.text(min_size=1, max_size=5))
    | st.builds(ThinkingDelta, st.text(min_size=1, max_size=5))
    | st.builds(ThinkingDelta, st.just(""), st.just(SEAL))
    | st.builds(ThinkingDelta, st.just(""), st.just(SEAL), st.just(True))
    | st.builds(MediaDelta, st.just(Media("image", "image/png", PICTURE)))
    | st.builds(ToolCallDelta, st.builds(ToolCall, spoken.names, spoken.mappings, st.just("call_1"))),
    min_size=1,
    max_size=4,
).filter(lambda deltas: any(isinstance(delta, TextDelta) for delta in deltas))


def heard(name: str, pieces: list[bytes]) -> list[Delta]:
    body = WRITERS[name][1]()
    return [*(delta for piece in pieces for delta in body.read(piece)), *body.end()]


@pytest.mark.parametrize("name", WRITERS)
@given(deltas=told_deltas)
@settings(max_examples=15, deadline=None)
def test_streams_are_read_as_they_were_written_wherever_they_are_cut(name: str, deltas: list[Delta]) -> None:
    calls = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    calls = [ToolCallDelta(replace(each.call, id=f"call_{at}")) for at, each in enumerate(calls)]
    rest = [
        delta
        for delta in deltas
        if not isinstance(delta, ToolCallDelta)
        and (name in SEALING or not (isinstance(delta, ThinkingDelta) and delta.signature))
        and (name in PICTURING or not isinstance(delta, MediaDelta))
    ]
    told: list[Delta] = [*rest, *calls]
    finish = Finish("tool_call" if calls else "stop", Usage(6, 2, cached_input=1))
    writer = WRITERS[name][0]()
    body = b"".join(map(writer.write, [*deltas_without_calls(deltas), *calls, finish]))
    whole = heard(name, [body])
    assert whole[:-1] == told
    assert whole == heard(name, [body[at : at + 1] for at in range(len(body))])
    end = whole[-1]
    assert isinstance(end, Finish)
    assert (end.reason, end.usage.input, end.usage.output) == (finish.reason, 6, 2)
    for at in range(0, len(body), max(1, len(body) // 20)):
        assert heard(name, [body[:at], body[at:]]) == whole


SEALED = ("thought signatures", "redacted thoughts")


@pytest.mark.parametrize("upstream", WRITERS)
@pytest.mark.parametrize("face", FACES)
@given(deltas=told_deltas)
@settings(max_examples=12, deadline=None)
def test_answers_reach_every_client_as_they_were_or_it_is_named(face: str, upstream: str, deltas: list[Delta]) -> None:
    told = [
        ToolCallDelta(replace(each.call, id=f"call_{at}")) if isinstance(each, ToolCallDelta) else each
        for at, each in enumerate(deltas)
    ]
    called = any(isinstance(each, ToolCallDelta) for each in told)
    finish = Finish("tool_call" if called else "stop", Usage(6, 2, cached_input=1))
    sending = WRITERS[upstream][0]()
    answer = heard(upstream, [b"".join(map(sending.write, [*told, finish]))])
    losses = Losses()
    writer = FACE_WRITERS[face](losses)
    back = heard(face, [b"".join(map(writer.write, answer))])
    whole = WHOLE[face][1](WHOLE[face][0](Response(parts_of(answer), finish)))
    for parts in (parts_of(back), whole.parts):
        said, got = pieces(parts_of(answer)), pieces(parts)
        assert got["text"] == said["text"]
        assert got["thinking"] == said["thinking"]
        assert got["calls"] == said["calls"]
        assert got["media"] == said["media"] or "media in answers" in losses.names
        assert got["seals"] == said["seals"] or set(SEALED) & set(losses.names)
    if face != "openai":  # whose reader has calls at the end
        assert order(parts_of(back)) == order(parts_of(answer), media=face != "anthropic")
    end = back[-1]
    assert isinstance(end, Finish)
    assert (end.reason, end.usage.input, end.usage.output, end.usage.cached_input) == (finish.reason, 6, 2, 1)


FACE_WRITERS: dict[str, Callable[[Losses], Writer]] = {
    "gemini": lambda losses: gemini.StreamWriter("m", losses=losses),
    "anthropic": lambda losses: anthropic.StreamWriter("m", losses=losses),
    "openai": lambda losses: openai.StreamWriter("m", losses=losses, include_usage=True),
}
WHOLE: dict[str, tuple[Callable[[Response], bytes], Callable[[bytes], Response]]] = {
    "gemini": (gemini.encode_response, gemini.decode_response),
    "anthropic": (anthropic.encode_response, anthropic.decode_response),
    "openai": (openai.encode_response, openai.decode_response),
}


def pieces(parts: Iterable[Part]) -> dict[str, Any]:
    """What an answer comes to, whatever stood where."""
    parts = tuple(parts)
    thoughts = [part for part in parts if isinstance(part, Thought)]
    return {
        "text": "".join(part.text for part in parts if isinstance(part, Text)),
        "thinking": "".join(part.text for part in thoughts),
        "seals": [(part.signature, part.redacted) for part in thoughts if part.signature],
        "calls": [part for part in parts if isinstance(part, ToolCall)],
        "media": [part for part in parts if isinstance(part, Media)],
    }


def order(parts: Iterable[Part], *, media: bool = True) -> list[type[Part]]:
    """What follows what, but for thoughts without words, which not all dialects can say."""
    kinds = [
        type(part)
        for part in parts
        if not (isinstance(part, Thought) and not part.text) and (media or not isinstance(part, Media))
    ]
    return [kind for last, kind in zip([None, *kinds], kinds, strict=False) if kind != last]


def deltas_without_calls(deltas: list[Delta]) -> list[Delta]:
    return [delta for delta in deltas if not isinstance(delta, ToolCallDelta)]
