"""`boticelli serve`: the gateway."""

import sys
from collections.abc import Mapping
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from boticelli_cli.cli.failures import tell, telling_errors
from boticelli_cli.cli.options import Quiet, Verbose, global_options
from boticelli_cli.cli.serve_keys import serve_keys

if TYPE_CHECKING:
    from boticelli_cli.gateway_process import GatewayOptions
    from boticelli_cli.gateway_process import LogFormat as LogFormatName

__all__ = ["serve"]

_MIB = 1024 * 1024

serve = typer.Typer(
    invoke_without_command=True, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


class LogFormat(StrEnum):
    """How requests are logged."""

    auto = "auto"
    text = "text"
    json = "json"


Host = Annotated[
    str,
    typer.Option("--host", metavar="HOST", help="The address to listen at.", envvar="BOTICELLI_SERVE_HOST"),
]

Port = Annotated[
    int,
    typer.Option(
        "--port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="The port to listen at; 0 takes a free one.",
        envvar="BOTICELLI_SERVE_PORT",
    ),
]

Redis = Annotated[
    str | None,
    typer.Option(
        "--redis",
        metavar="URL",
        help="Share keys, limits and the rest with other gateways through this Redis.",
        envvar="BOTICELLI_SERVE_REDIS",
    ),
]

Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        max=256,
        help="Processes; several want --redis.",
        envvar="BOTICELLI_SERVE_WORKERS",
    ),
]

Grace = Annotated[
    float,
    typer.Option(
        "--grace",
        metavar="SECONDS",
        min=0,
        help="How long what is under way may go on after SIGTERM or Ctrl-C.",
        envvar="BOTICELLI_SERVE_GRACE",
    ),
]

MaxBody = Annotated[
    float,
    typer.Option("--max-body", metavar="MB", min=0.001, help="The largest request.", envvar="BOTICELLI_SERVE_MAX_BODY"),
]

MaxConnections = Annotated[
    int,
    typer.Option(
        "--max-connections",
        metavar="N",
        min=1,
        help="Connections at once, for each worker.",
        envvar="BOTICELLI_SERVE_MAX_CONNECTIONS",
    ),
]

TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert", metavar="FILE", help="Serve https with this certificate (PEM).", envvar="BOTICELLI_SERVE_TLS_CERT"
    ),
]

TlsKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        metavar="FILE",
        help="The certificate's key, where it is in a file of its own.",
        envvar="BOTICELLI_SERVE_TLS_KEY",
    ),
]

Log = Annotated[
    LogFormat,
    typer.Option(
        "--log-format",
        metavar="FORMAT",
        help="text or json. auto: text on a terminal, json in a pipe.",
        envvar="BOTICELLI_SERVE_LOG_FORMAT",
    ),
]

LogPrompts = Annotated[
    bool, typer.Option("--log-prompts", help="Log what is asked, too.", envvar="BOTICELLI_SERVE_LOG_PROMPTS")
]

ProxyHeaders = Annotated[
    bool,
    typer.Option(
        "--proxy-headers",
        help="Believe a proxy in front, on this machine, for whom it asks.",
        envvar="BOTICELLI_SERVE_PROXY_HEADERS",
    ),
]

ForwardedAllowIps = Annotated[
    str | None,
    typer.Option(
        "--forwarded-allow-ips",
        metavar="LIST",
        help="Proxies to be believed, wherever they are: addresses and networks, with commas between.",
        envvar="BOTICELLI_SERVE_FORWARDED_ALLOW_IPS",
    ),
]

Rehearse = Annotated[
    bool,
    typer.Option("--rehearse", help="Have the embedded model answer everything.", envvar="BOTICELLI_SERVE_REHEARSE"),
]


@serve.callback()
def _serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8484,
    redis: Redis = None,
    workers: Workers = 1,
    grace: Grace = 30.0,
    max_body: MaxBody = 64.0,
    max_connections: MaxConnections = 4096,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    log_format: Log = LogFormat.auto,
    log_prompts: LogPrompts = False,
    proxy_headers: ProxyHeaders = False,
    forwarded_allow_ips: ForwardedAllowIps = None,
    rehearse: Rehearse = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Serve any model to any client: Anthropic's, Gemini's and OpenAI's dialects, translated where they differ.

    Without keys it serves this machine only. SIGTERM or Ctrl-C lets what is under way end, a second Ctrl-C does not.

    \b
    Examples:
      boticelli serve
      boticelli serve --port 9000 --rehearse
      boticelli serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
      boticelli serve --workers 4 --redis redis://127.0.0.1:6379
      ANTHROPIC_BASE_URL=http://127.0.0.1:8484 claude
    """
    context.obj = options = global_options(context, quiet, verbose)
    if context.invoked_subcommand is not None:
        return
    with telling_errors():
        from boticelli_cli.cli.play import wait_for
        from boticelli_cli.errors import UsageError

        try:
            from boticelli_cli.gateway_process import configured, new_loop, run_gateway
        except ModuleNotFoundError as error:
            hint = "run: pip install 'boticelli[gateway]'"
            raise UsageError(f"the gateway needs '{error.name}', which is not installed", hint=hint) from error
        for name, value in configured().items():
            source = context.get_parameter_source(name)
            if value is not None and source is not None and source.name == "DEFAULT":
                context.params[name] = value
        running = run_gateway(
            _asked(context.params),
            worker=[sys.executable, "-m", "boticelli_cli", "serve"],
            worker_environ=_as_environment(context),
            say=(lambda _: None) if options.quiet else tell,
        )
        raise typer.Exit(wait_for(running, loop_factory=new_loop))


serve.add_typer(serve_keys, name="keys")

_THIS_MACHINE = ("127.0.0.1", "::1")


def _asked(given: Mapping[str, Any]) -> "GatewayOptions":
    """The options as they were given, or configured."""
    from boticelli_cli.gateway_process import BodyBounds, GatewayOptions, Listening

    trusted = [each.strip() for each in (given["forwarded_allow_ips"] or "").split(",") if each.strip()]
    return GatewayOptions(
        listening=Listening(
            host=given["host"],
            port=given["port"],
            grace=given["grace"],
            max_connections=given["max_connections"],
            tls_cert=given["tls_cert"],
            tls_key=given["tls_key"],
            trusted_proxies=tuple(trusted or (_THIS_MACHINE if given["proxy_headers"] else ())),
        ),
        bodies=BodyBounds(most=int(given["max_body"] * _MIB)),
        redis=given["redis"],
        workers=given["workers"],
        log_format=_log_format(given["log_format"]),
        log_prompts=given["log_prompts"],
        rehearse=given["rehearse"],
    )


def _log_format(asked: LogFormat) -> "LogFormatName":
    if asked is LogFormat.auto:
        return "text" if sys.stderr.isatty() else "json"
    return "text" if asked is LogFormat.text else "json"


def _as_environment(context: typer.Context) -> dict[str, str]:
    """Our environment, with what was said on the command line: workers read it there, where `ps` shows no password."""
    from boticelli_cli.app import environment

    environ = dict(environment())
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if value is not None and isinstance(parameter.envvar, str):
            environ[parameter.envvar] = _as_text(value)
    return environ


def _as_text(value: object) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case Enum():
            return str(value.value)
        case _:
            return str(value)
