"""A way out for models that have to call a tool: one more tool, by which they answer in words.

Some models answer in prose although they are given tools. Made to call one, they need one for the case that none fits:
that is how claude-code-router does it (github.com/musistudio/claude-code-router, its transformer `tooluse`).
"""

from dataclasses import replace

from boticelli_cli.messages import Delta, Finish, Request, Text, TextDelta, Tool, ToolCallDelta

__all__ = ["EXIT_TOOL", "ExitToolReader", "with_exit_tool"]

EXIT_TOOL = Tool(
    "ExitTool",
    "Call this tool when you have an answer for the user, or when no other tool fits. It ends the use of tools.",
    {
        "type": "object",
        "properties": {"response": {"type": "string", "description": "All that the user is to read, as it is."}},
        "required": ["response"],
    },
)

_REMINDER = (
    "You have tools, and every turn of yours is a call of one of them. Call whichever brings the task forward. When it "
    "is done, or no tool fits, call ExitTool, and give it as `response` what the user is to read: that is the only way "
    "to answer in words."
)


def with_exit_tool(request: Request) -> Request:
    """A request whose model has to call a tool, and has one to answer by. One that may not call any is left alone."""
    tools = request.declared_tools
    if not tools or request.tool_choice not in (None, "auto") or _exits(request):
        return request
    told = Text(_REMINDER)
    match request.system:
        case None:
            system: str | tuple[Text, ...] = _REMINDER
        case str():
            system = f"{request.system}\n\n{_REMINDER}"
        case _:
            return replace(
                request, system=(*request.system, told), tools=(*request.tools, EXIT_TOOL), tool_choice="required"
            )
    return replace(request, system=system, tools=(*request.tools, EXIT_TOOL), tool_choice="required")


class ExitToolReader:
    """Reads the deltas of one answer to such a request: what is said by that tool is said as text."""

    def __init__(self, request: Request) -> None:
        self._exits = _exits(request)
        self._calls = 0
        self._left = False

    def feed(self, delta: Delta) -> list[Delta]:
        match delta:
            case ToolCallDelta(call) if self._exits and call.name == EXIT_TOOL.name:
                self._left = True
                response = call.arguments.get("response")
                return [TextDelta(response)] if isinstance(response, str) and response else []
            case ToolCallDelta():
                self._calls += 1
            case Finish(reason="tool_call") if self._left and not self._calls:
                return [replace(delta, reason="stop")]
        return [delta]

    def rest(self) -> list[Delta]:
        return []


def _exits(request: Request) -> bool:
    return EXIT_TOOL in request.tools
