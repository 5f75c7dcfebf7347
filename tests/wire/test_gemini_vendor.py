"""Google's own client, as it really is: what it sends is understood, and it understands what is sent to it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    Message,
    Request,
    Response,
    Text,
    TextDelta,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from boticelli_cli.wire.gemini import (
    StreamWriter,
    decode_count_request,
    decode_request,
    encode_count_response,
    encode_error,
    encode_request,
    encode_response,
)
from tests.wire.spoken import events_of
from tests.wire.spoken_gemini import responses, streams

MODEL = "gemini-2.5-flash"
ANSWER = Response((Text("Hello."),), Finish("stop", Usage(3, 2, total=5), MODEL))
CALL = ToolCall("look_up", {"city_name": "Ulm"}, signature="+/+/c2VhbA==")
HELLO = Message("user", (Text("Hello?"),))


class Server(ThreadingHTTPServer):
    """Keeps what it was asked, and answers as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        self.clients: list[genai.Client] = []

    def client(self, *answers: bytes | tuple[int, bytes]) -> genai.Client:
        self.answers += [each if isinstance(each, tuple) else (200, each) for each in answers]
        options = types.HttpOptions(base_url=f"http://127.0.0.1:{self.server_port}")
        client = genai.Client(api_key="none", http_options=options)
        self.clients.append(client)  # one that is let go of closes itself in the middle of its request
        return client

    def requests(self) -> list[Request]:
        """What was asked, each of which has to say the same when it is written again."""
        decoded = [decode_request(body, MODEL) for _, body in self.asked]
        for request in decoded:
            body = encode_request(request).body
            assert encode_request(decode_request(body, MODEL)).body == body
        return decoded


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, body))
        status, answer = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if "alt=sse" in self.path else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        for client in server.clients:
            client.close()
        server.shutdown()
        thread.join()


def streamed(*deltas: Delta) -> bytes:
    return b"".join(map(StreamWriter(MODEL).write, deltas))


def look_up(city_name: str) -> str:
    """Looks up the weather."""
    return f"rain in {city_name}"


def test_a_prompt_is_understood(server: Server) -> None:
    answer = server.client(encode_response(ANSWER)).models.generate_content(model=MODEL, contents="Hello?")
    assert server.requests() == [Request(MODEL, (HELLO,))]
    assert answer.text == "Hello."
    assert answer.model_version == MODEL
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.total_token_count == 5


def test_media_and_settings_are_understood(server: Server) -> None:
    schema = {"type": "object", "properties": {"some_key": {"type": "string"}}}
    server.client(encode_response(ANSWER)).models.generate_content(
        model=MODEL,
        contents=[
            "Look.",
            types.Part.from_bytes(data=b"\xff\xfe\xfb\xfa", mime_type="image/png"),
            types.Part.from_uri(file_uri="https://example.com/a.pdf", mime_type="application/pdf"),
        ],
        config=types.GenerateContentConfig(
            system_instruction="Be brief.",
            temperature=0.5,
            top_p=0.25,
            top_k=3,
            seed=4,
            max_output_tokens=9,
            stop_sequences=["END"],
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
            response_mime_type="application/json",
            response_json_schema=schema,
            safety_settings=[
                types.SafetySetting(
                    category=types.HarmCategory.HARM_CATEGORY_HATE_SPEECH,
                    threshold=types.HarmBlockThreshold.BLOCK_NONE,
                )
            ],
            cached_content="cachedContents/1",
        ),
    )
    parts = (
        Text("Look."),
        Media("image", "image/png", data=b"\xff\xfe\xfb\xfa"),
        Media("document", "application/pdf", url="https://example.com/a.pdf"),
    )
    assert server.requests() == [
        Request(
            MODEL,
            (Message("user", parts),),
            system="Be brief.",
            temperature=0.5,
            top_p=0.25,
            max_tokens=9,
            stop=("END",),
            thinking="low",
            schema=schema,
            options={
                "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
                "cachedContent": "cachedContents/1",
                "generationConfig": {"topK": 3.0, "seed": 4},
            },
        )
    ]


def test_googles_schemas_are_understood(server: Server) -> None:
    schema = types.Schema(
        type=types.Type.OBJECT,
        properties={"some_key": types.Schema(any_of=[types.Schema(type=types.Type.STRING)], nullable=True)},
    )
    function = types.FunctionDeclaration(name="look_up", parameters=schema)
    client = server.client(encode_response(ANSWER), encode_response(ANSWER))
    client.models.generate_content(
        model=MODEL,
        contents="Hello?",
        config=types.GenerateContentConfig(
            tools=[types.Tool(function_declarations=[function])],
            thinking_config=types.ThinkingConfig(thinking_budget=0),
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(
                    mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["look_up"]
                )
            ),
        ),
    )
    client.models.generate_content(
        model=MODEL,
        contents="Hello?",
        config=types.GenerateContentConfig(response_schema=schema, response_mime_type="application/json"),
    )
    with_tool, with_schema = server.requests()
    (tool,) = with_tool.tools
    for said in (tool.parameters, with_schema.schema):
        assert said is not None
        assert said["type"] == "object"
        assert said["properties"]["some_key"]["anyOf"] == [{"type": "string"}]
    assert (with_tool.tool_choice, with_tool.thinking, with_tool.options) == (("look_up",), False, {})


def test_a_chat_that_calls_functions_by_itself_comes_to_its_end(server: Server) -> None:
    called = Response((CALL,), Finish("tool_call"))
    chat = server.client(encode_response(called), encode_response(ANSWER), encode_response(ANSWER)).chats.create(
        model=MODEL, config=types.GenerateContentConfig(tools=[look_up])
    )
    assert chat.send_message("Hello?").text == "Hello."
    chat.send_message("And?")
    first, second, third = server.requests()
    (tool,) = first.tools
    assert isinstance(tool, Tool)
    assert (tool.name, tool.description) == ("look_up", "Looks up the weather.")
    assert tool.parameters is not None
    assert "city_name" in tool.parameters["properties"]
    turns = (
        HELLO,
        Message("assistant", (CALL,)),
        Message("user", (ToolResult("look_up", {"result": "rain in Ulm"}),)),
    )
    assert second.messages == turns
    assert third.messages == (*turns, Message("assistant", (Text("Hello."),)), Message("user", (Text("And?"),)))


def test_a_streamed_chat_keeps_every_turn(server: Server) -> None:
    writer = StreamWriter()
    deltas = (ThinkingDelta("Hm."), TextDelta("Hel"), TextDelta("lo."), ToolCallDelta(CALL), ANSWER.finish)
    stream = b"".join(writer.keep_alive() * 2 + writer.write(delta) for delta in deltas)
    chat = server.client(stream, streamed(ANSWER.finish)).chats.create(model=MODEL)
    chunks = list(chat.send_message_stream("Hello?"))
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello."
    assert chunks[-1].candidates is not None
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    list(chat.send_message_stream("And?"))
    said = [part for message in server.requests()[1].messages for part in message.parts if part != Text("")]
    assert [part.text for part in said if isinstance(part, Text)] == ["Hello?", "Hel", "lo.", "And?"]
    assert CALL in said


def test_errors_are_raised_by_the_client(server: Server) -> None:
    overloaded = ProviderError("The model is overloaded.", status=503, retry_after=2.0)
    client = server.client(encode_error(overloaded), streamed(TextDelta("Hel")) + StreamWriter().error(overloaded))
    with pytest.raises(errors.ServerError, match="overloaded") as whole:
        client.models.generate_content(model=MODEL, contents="Hello?")
    assert (whole.value.code, whole.value.status) == (503, "UNAVAILABLE")
    stream = client.models.generate_content_stream(model=MODEL, contents="Hello?")
    assert next(stream).text == "Hel"
    with pytest.raises(errors.ServerError, match="overloaded"):
        next(stream)


def test_tokens_are_counted(server: Server) -> None:
    counted = server.client(encode_count_response(31)).models.count_tokens(model=MODEL, contents="Hello?")
    assert counted.total_tokens == 31
    ((path, body),) = server.asked
    assert path.endswith(":countTokens")
    assert decode_count_request(body, MODEL) == Request(MODEL, (HELLO,))


@given(responses())
def test_googles_types_accept_every_answer(response: Response) -> None:
    answer = types.GenerateContentResponse.model_validate_json(encode_response(response))
    assert answer.candidates is not None
    content = answer.candidates[0].content
    assert content is not None
    assert content.parts
    texts = [part.text or "" for part in content.parts if not part.thought]
    assert "".join(texts) == response.text
    assert [part.function_call.name for part in content.parts if part.function_call] == [
        call.name for call in response.tool_calls
    ]


@given(streams())
def test_googles_types_accept_every_chunk(deltas: list[Delta]) -> None:
    events = events_of([streamed(*deltas)])
    assert len(events) == len(deltas)
    for event in events:
        chunk = types.GenerateContentResponse.model_validate(json.loads(event.data))
        assert chunk.candidates is not None
        assert chunk.candidates[0].content is not None
        assert chunk.candidates[0].content.parts
