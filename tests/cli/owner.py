"""A program that owns its terminal and ends as it is told to: `python -m tests.cli.owner ENDING`."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from boticelli_cli.views.terminal import AUTOWRAP_OFF, ERASE_BELOW, SYNCHRONIZED_ON, Modes, give_back_at_once

REGION = 3


async def main(ending: str) -> int:
    """Draw a region of three rows and rest in the first of them, as the view does, until it is time to end."""
    stop = asyncio.Event()
    drawings = 0

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def draw() -> None:
        nonlocal drawings
        drawings += 1
        rows = "".join(f"row {number} of drawing {drawings}\r\n" for number in range(REGION))
        write(f"{ERASE_BELOW}{rows}\x1b[{REGION}A")

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            give_back_at_once(sys.stdout)
            os._exit(130)
        asyncio.get_running_loop().call_soon_threadsafe(stop.set)

    if ending != "unprepared":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, handle)
    modes = Modes(sys.stdout, on_stop=lambda: write(ERASE_BELOW), on_return=draw)
    modes.take()
    try:
        draw()
        if ending == "in mid-frame":
            write(f"{SYNCHRONIZED_ON}{AUTOWRAP_OFF}\x1b[31mhalf")
        if ending == "exception":
            raise RuntimeError("the view broke")
        while ending == "frames" and not stop.is_set():
            modes.may_draw()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.01)
        if ending != "done":
            await stop.wait()
        if ending == "stubborn":
            write("stubborn\r")
            while True:
                signal.pause()
        write(ERASE_BELOW)
    finally:
        modes.give_back()
    print(f"ended after {drawings} drawings")
    return 0 if ending == "done" else 3


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
