"""The process's counters of losses and deliveries as lines: each increase is written once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from exporters.duckdb.recording.content import OVERSIZE
from exporters.duckdb.recording.lines import Line, delivery_line, loss_line
from tracer.absent import NOT_LOADED
from tracer.deliveries import Delivery, deliveries
from tracer.losses import Loss, losses

NAME = "duckdb"
_MOST_STARTED = 1000


class Counts:
    """What of the counters has been written. Not safe in threads: the journal takes care."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """From here on: what is counted by now is not ours to write.

        What an exporter missed before it could be loaded is: if that was the local store, there
        was nobody to write it.
        """
        before = losses.totals().items()
        self._losses = {loss: total for loss, total in before if loss.reason != NOT_LOADED}
        self._deliveries = dict(deliveries.totals())
        self._at_start: OrderedDict[str, int] = OrderedDict()

    def more(self) -> Iterator[Line]:
        """A line of each counter that has grown since the last call."""
        now = time.time_ns()
        for loss, total in losses.totals().items():
            if more := _increase(self._losses, loss, total):
                yield loss_line(loss.exporter, loss.reason, more, loss.trace_id, now)
        for delivery, total in deliveries.totals().items():
            if more := _increase(self._deliveries, delivery, total):
                yield delivery_line(delivery, more, now)

    def take_back(self, fields: Mapping[str, Any]) -> bool:
        """A line that could not be written: if it is one of ours, its counter stands again.

        Who records next writes it then. Says whether it is one of ours.
        """
        reason = fields.get("reason")
        if fields["k"] == "loss":
            loss = Loss(fields["exporter"], str(reason), fields.get("trace_id"))
            self._losses[loss] = self._losses.get(loss, 0) - fields["items"]
        elif fields["k"] == "delivery":
            delivery = Delivery(fields["exporter"], reason)
            self._deliveries[delivery] = self._deliveries.get(delivery, 0) - fields["items"]
        else:
            return False
        return True

    def oversize(self, fields: Mapping[str, Any], lost: int) -> None:
        """Count values that a line had no room for; those of its start are there at its end."""
        key = fields.get("span_id") or fields.get("trace_id") or ""
        if fields.get("rev"):
            counted = self._at_start.pop(key, 0)
            if counted > lost:
                self._at_start[key] = counted - lost
            lost -= counted
        else:
            self._at_start[key] = self._at_start.get(key, 0) + lost
            if len(self._at_start) > _MOST_STARTED:
                self._at_start.popitem(last=False)
        if lost > 0:
            losses.count(NAME, OVERSIZE, lost, trace_id=fields.get("trace_id"))


def _increase(written: dict[Any, int], counter: Any, total: int) -> int:
    before = written.get(counter, 0)
    written[counter] = total
    return total - before if total >= before else total
