"""Messages that wait for a run's end: hidden from others all the while, then deleted or handed back."""

import logging
import threading
from collections.abc import Iterable
from types import TracebackType

from pipeline.watching.sqs import Queue, QueueBusy, QueueError, QueueMessage

_log = logging.getLogger(__name__)


class HeldMessages:
    """A thread hides them anew at a third of their time. Whatever is left when the context closes is handed back at once.

    SQS hides a message for 12 hours at most, counted from its first receipt. What cannot be hidden any longer is let go: it comes
    again and costs a listing that finds nothing.
    """

    def __init__(self, queue: Queue | None, visibility_s: int) -> None:
        """queue None: nothing is ever held."""
        self._queue, self._visibility_s = queue, visibility_s
        self._messages: dict[str, QueueMessage] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="visibility")

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, messages: Iterable[QueueMessage]) -> None:
        with self._lock:
            self._messages.update((message.message_id, message) for message in messages)

    def delete(self) -> None:
        """The work is done. Raises QueueBusy, QueueError; what is not deleted by then comes again."""
        with self._lock:
            messages, self._messages = list(self._messages.values()), {}
            if self._queue and messages:
                self._queue.delete(messages)

    def hand_back(self, after_s: int = 0) -> None:
        """The work is not done: they come again after so many seconds. Never raises: they would come again anyway."""
        with self._lock:
            messages, self._messages = list(self._messages.values()), {}
            try:
                if self._queue and messages:
                    self._queue.hide(messages, after_s)
            except (QueueBusy, QueueError) as error:
                _log.warning("%s; its messages come back by themselves", error)

    def keep(self) -> None:
        """Hide them for another while."""
        with self._lock:
            try:
                if self._queue and self._messages:
                    for message in self._queue.hide(list(self._messages.values()), self._visibility_s):
                        del self._messages[message.message_id]
            except (QueueBusy, QueueError) as error:
                _log.warning("%s; asked again soon", error)

    def _keep(self) -> None:
        while not self._stop.wait(self._visibility_s / 3):
            self.keep()

    def __enter__(self) -> "HeldMessages":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self.hand_back()
