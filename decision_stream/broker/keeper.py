"""Runs one child and ends it when its own standard input closes: no orphan is left, however the parent dies.

Run as a script by `embedded.py`: the parent holds the other end of the pipe, and the kernel closes it even after
kill -9.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
GRACE_S = 10


def _die_with_keeper() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(told: int, command: list[str]) -> int:
    """Run the command until it ends or standard input closes; returns its exit status.

    `told` is the file descriptor that the child's process id is written to.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_keeper, start_new_session=True)
    os.write(told, f"{child.pid}\n".encode())
    os.close(told)
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], 0.2)
        if readable and not os.read(sys.stdin.fileno(), 1):
            child.terminate()
            try:
                return child.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                return child.wait()
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
