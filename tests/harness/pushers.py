"""Clients that push all the time, each to a stream of its own, come again when their connection ends, and know what must hold after."""

import itertools
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from . import kcat
from .wire import StreamClient, data, uint


class Pusher(threading.Thread):
    """Pushes record after record, `window` of them without an answer at most, until finish(). What has no answer when the connection ends
    is pushed again, in the same order."""

    def __init__(self, address, stream, window=20, size=100, timeout=60):
        super().__init__(daemon=True)
        self.address, self.stream, self.window, self.size, self.timeout = address, stream, window, size, timeout
        self.pushed = 0  # records 0 to pushed - 1 were sent at least once
        self.waiting = deque()  # of these, those without an answer
        self.answers = {}  # number: (status, index)
        self.connections = 0
        self.failure = None
        self._news = threading.Condition()
        self._limit = None

    def value(self, number):
        return f"{self.stream}/{number}/".encode().ljust(self.size, b".")

    def _send(self, client, to, number):
        client.send([to], data("stream_push") + data(uint(number) + data(self.value(number))))

    def _take_answer(self, client):
        _, protocol, answer = client.receive()
        assert protocol == "stream_push", f"{protocol}: {answer.raw!r}"
        number, status, index = answer.uint(), answer.uint(), answer.uint()
        assert number == self.waiting[0], f"{self.stream}: {number} was answered, and {self.waiting[0]} was next"
        with self._news:
            self.waiting.popleft()
            self.answers[number] = (status, index)
            self._news.notify_all()

    def _more(self):
        return len(self.waiting) < self.window and (self._limit is None or self.pushed < self._limit)

    def _talk(self):
        client = StreamClient(self.address, self.timeout)
        try:
            to = client.create(self.stream)
            self.connections += 1
            for number in list(self.waiting):
                self._send(client, to, number)
            while True:
                while self._more():
                    self.waiting.append(self.pushed)
                    self.pushed += 1
                    self._send(client, to, self.waiting[-1])
                if not self.waiting:
                    return True
                self._take_answer(client)
        finally:
            client.close()

    def run(self):
        try:
            while True:
                try:
                    if self._talk():
                        return
                except (OSError, AssertionError) as error:
                    # Both are what a killed node looks like; a node that lives must not do so.
                    if isinstance(error, AssertionError) and "the node closed the connection" not in str(error):
                        raise
                    if isinstance(error, TimeoutError):
                        raise
        except BaseException as error:
            self.failure = error
        finally:
            with self._news:
                self._news.notify_all()

    def wait_answers(self, more, timeout=60):
        """Until so many more have been answered than at the call."""
        with self._news:
            goal = len(self.answers) + more
            done = self._news.wait_for(lambda: self.failure or len(self.answers) >= goal, timeout)
        assert done and not self.failure, f"{self.stream}: {self.failure or 'no answers'} ({len(self.answers)} of {self.pushed} answered)"

    def wait_answer(self, wanted, timeout=60):
        """Until an answer comes for which wanted(status, index) is true."""
        with self._news:
            first = len(self.answers)
            deadline = time.monotonic() + timeout
            while not self.failure and time.monotonic() < deadline:
                news = list(itertools.islice(self.answers.values(), first, None))
                if any(wanted(status, index) for status, index in news):
                    return
                first += len(news)
                self._news.wait(0.2)
        raise AssertionError(f"{self.stream}: {self.failure or 'no such answer'} among {len(self.answers)}")

    def finish(self, timeout=60):
        """Nothing new is pushed, and all has been answered."""
        self._limit = 0
        self.join(timeout)
        assert not self.is_alive(), f"{self.stream}: {len(self.waiting)} without an answer"
        assert not self.failure, f"{self.stream}: {self.failure!r}"
        assert not self.waiting and len(self.answers) == self.pushed

    def check(self, kafka_address, once=False):
        """What was acknowledged stands at its index (I1), what failed does not stand (I2), and the order is that of the pushes (I4).
        With `once`, nothing stands twice."""
        stands = {record.offset: record.value for record in kcat.records(kafka_address, self.stream)}
        indexes = [(index, number) for number, (status, index) in sorted(self.answers.items()) if status == 0]
        for index, number in indexes:
            assert stands.get(index) == self.value(number), f"{self.stream}: {number} does not stand at {index}: {stands.get(index)!r}"
        assert indexes == sorted(indexes), f"{self.stream}: indexes are not in the order of the pushes"
        numbers = [int(stands[offset].split(b"/")[1]) for offset in sorted(stands)]
        firsts = list(dict.fromkeys(numbers))
        stored = [number for _, number in indexes]
        assert firsts == stored, f"{self.stream}: overtaken, invented, or said to have failed: {first_difference(firsts, stored)}"
        assert not once or len(numbers) == len(firsts), f"{self.stream}: {len(numbers) - len(firsts)} stand twice"


def first_difference(got, expected):
    for place, (one, other) in enumerate(itertools.zip_longest(got, expected)):
        if one != other:
            return f"{one} and not {other} in place {place}"


class Crowd:
    """Some pushers at once."""

    def __init__(self, address, names, **how):
        self.pushers = [Pusher(address, name, **how) for name in names]
        for pusher in self.pushers:
            pusher.start()

    def wait_answers(self, more, timeout=60):
        """Until each has so many more."""
        for pusher in self.pushers:
            pusher.wait_answers(more, timeout)

    def finish(self, timeout=60):
        for pusher in self.pushers:
            pusher.finish(timeout)

    def check(self, kafka_address, **how):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda pusher: pusher.check(kafka_address, **how), self.pushers))

    def failed(self):
        """How many pushes were answered with a failure."""
        return sum(status != 0 for pusher in self.pushers for status, _ in pusher.answers.values())
