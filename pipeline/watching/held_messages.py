"""Messages that wait for the end of a run. They are hidden from other receivers meanwhile, then deleted or handed back."""

import logging
import threading
from collections.abc import Iterable
from types import TracebackType

from pipeline.watching.sqs import Queue, QueueBusy, QueueError, QueueMessage

_log = logging.getLogger(__name__)


class HeldMessages:
    """Messages that a thread hides again at every third of their visibility timeout. Those left when the context closes are handed
    back at once.

    SQS hides a message for 12 hours at most after it was received. A message that cannot be hidden any longer is dropped here; it
    comes again and costs a listing that finds nothing.
    """

    def __init__(self, queue: Queue | None, visibility_s: int) -> None:
        """Without a queue (None) no message is ever held."""
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
        """Deletes all messages, because the work is done. Raises QueueBusy, QueueError; messages not deleted by then come again."""
        with self._lock:
            messages, self._messages = list(self._messages.values()), {}
            if self._queue and messages:
                self._queue.delete(messages)

    def hand_back(self, after_s: int = 0) -> None:
        """Makes all messages visible after `after_s`, because the work is not done. It never raises: they would come again
        anyway."""
        with self._lock:
            messages, self._messages = list(self._messages.values()), {}
            try:
                if self._queue and messages:
                    self._queue.hide(messages, after_s)
            except (QueueBusy, QueueError) as error:
                _log.warning("%s; its messages come back by themselves", error)

    def keep(self) -> None:
        """Hides all messages for another visibility timeout."""
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
