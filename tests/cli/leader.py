"""What a shell is to the programs in its terminal, with a pipe in place of a person.

Run as `leader.py DESCRIPTOR PROGRAM …`, it takes the terminal and starts the program in the foreground. It tells on
stdout what becomes of the program, and obeys on stdin: `fg`, `bg`, `claim` (as `fg`, for a program that runs already),
`read` (a line that was typed) and `quit`.
"""

import fcntl
import os
import signal
import sys
import termios


def main(terminal: int, command: list[str]) -> None:
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or giving the terminal away would stop us, as it does no shell
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(ready, 1)  # until we are in the foreground
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        for number in range(3):
            os.dup2(terminal, number)
        os.execvp(command[0], command)
    os.setpgid(pid, pid)
    os.close(ready)
    os.tcsetpgrp(terminal, pid)
    os.close(go)
    tell(f"started {pid}")
    running = True
    while True:
        if running:
            _, status = os.waitpid(pid, os.WUNTRACED)
            os.tcsetpgrp(terminal, os.getpgrp())
            running = False
            tell("stopped" if os.WIFSTOPPED(status) else f"ended {os.waitstatus_to_exitcode(status)}")
        match sys.stdin.readline().strip():
            case "fg":
                os.tcsetpgrp(terminal, pid)
                os.killpg(pid, signal.SIGCONT)
                running = True
            case "bg":
                os.killpg(pid, signal.SIGCONT)
                tell("in the background")
            case "claim":
                os.tcsetpgrp(terminal, pid)
                running = True
            case "read":
                tell(os.read(terminal, 1000).decode().rstrip("\n"))
            case _:
                return


def tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
