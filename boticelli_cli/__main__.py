"""Where the program starts: `boticelli`, and `python -m boticelli_cli`."""

import signal


def main() -> None:
    """Start the program. Until a run says otherwise, Ctrl-C ends it at once and without a word."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from boticelli_cli.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
