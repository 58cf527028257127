"""A program under test: started, waited for by the lines that it prints, ended by its process id."""

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# What a sanitizer prints before it ends the process.
SANITIZER = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:")


class Process:
    """Lines of stdout and stderr are kept apart and together; every wait has a deadline and fails with all that was said."""

    def __init__(self, argv, name=None, stdin=False, env=None, cwd=TOP):
        self.name = name or Path(argv[0]).name
        self.argv = [str(arg) for arg in argv]
        self.lines = {"out": [], "err": []}
        self.log = []
        self._news = threading.Condition()
        self._popen = subprocess.Popen(
            self.argv,
            stdin=stdin if type(stdin) is int else subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        self._readers = [
            threading.Thread(target=self._read, args=(kind, pipe), daemon=True)
            for kind, pipe in (("out", self._popen.stdout), ("err", self._popen.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, kind, pipe):
        for raw in pipe:
            line = raw.decode("utf-8", "backslashreplace").rstrip("\n")
            with self._news:
                self.lines[kind].append(line)
                self.log.append(f"{kind}| {line}")
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def pid(self):
        return self._popen.pid

    @property
    def running(self):
        return self._popen.poll() is None

    @property
    def out(self):
        return self.lines["out"]

    @property
    def err(self):
        return self.lines["err"]

    def _over(self):
        return not any(reader.is_alive() for reader in self._readers)

    def until(self, what, done, timeout):
        """Waits until done() is true, looked at whenever a line arrives; returns what it returned."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                over = self._over()
                result = done()
                if result:
                    return result
                left = deadline - time.monotonic()
                if over or left <= 0:
                    break
                # A reader that ends says so before it is dead: look again soon after.
                self._news.wait(min(left, 0.2))
        why = f"ended (exit {self._popen.wait()})" if over else f"{timeout} s passed"
        raise AssertionError(f"{self.name}: {why} before {what}\n{self.tail()}")

    def wait_line(self, pattern, kind="err", timeout=10, after=0):
        """The match of the first line that the pattern is found in, from line number `after` on."""
        regex = re.compile(pattern)

        def found():
            return next((m for m in map(regex.search, self.lines[kind][after:]) if m), None)

        return self.until(f"a line /{pattern}/ on std{kind}", found, timeout)

    def wait_count(self, count, kind="out", timeout=30):
        self.until(f"{count} lines on std{kind}", lambda: len(self.lines[kind]) >= count, timeout)
        return list(self.lines[kind])

    def write(self, text):
        self._popen.stdin.write(text.encode() if isinstance(text, str) else text)
        self._popen.stdin.flush()

    def close_stdin(self):
        self._popen.stdin.close()

    def wait(self, timeout=10):
        """The exit code, all output read."""
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout} s\n{self.tail()}") from None
        for reader in self._readers:
            reader.join(5)
        return code

    def signal(self, number):
        self._popen.send_signal(number)

    def kill(self):
        """kill -9, and gone when this returns."""
        if self.running:
            self._popen.kill()
        return self.wait()

    def stop(self, timeout=15):
        """SIGTERM; the exit code. Killed, and the test failed, when that does not help."""
        if self.running:
            self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except AssertionError:
            self.kill()
            raise

    def complaints(self):
        """What a sanitizer has said."""
        return [line for line in self.err if SANITIZER.search(line)]

    def tail(self, count=80):
        return "\n".join([f"$ {shlex.join(self.argv)}", *self.log[-count:]])
