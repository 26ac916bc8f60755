"""What a rule works out once and can use again for another budget, seed or weight."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

_MOST = 4  # a path of 900 targets and its densities hold 300 MB


class Memo:
    """Keeps the last few values that it was asked for; safe to share between threads."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`; `make` is called when it is not there."""
        with self._lock:
            value: T = self._values[key] if key in self._values else make()
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
            return value
