"""A queue of RabbitMQ, read message by message: `tollway.metering.ports.QueueSession`.

Messages are fetched (`basic.get`), not pushed: a pushed message may be under way while a batch is
acknowledged, and if the connection ended at that moment, nobody could tell whether it or an equal one of the
batch comes again (see `tollway.metering.redelivery`).

https://www.rabbitmq.com/docs/confirms · https://www.rabbitmq.com/docs/consumers#exclusivity
"""

from __future__ import annotations

import logging
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pika.spec import BasicProperties, props

from tollway.kernel.errors import TollwayError
from tollway.metering.ports import Delivery

__all__ = ["QueueTaken", "QueueUnreachable", "RabbitSession", "waiting"]

# Whoever calls hears of every fault; pika would tell it on standard error too.
logging.getLogger("pika").setLevel(logging.CRITICAL)

_ACCESS_REFUSED, _NOT_FOUND = 403, 404
_LARGEST_PROPERTIES = 65_536
"""Bytes that are passed on of what a sender wrote around the body: with the reason they must fit a frame."""
_HEARTBEAT_SECONDS = 30
_TIMEOUT_SECONDS = 10


class _Properties(BasicProperties):  # type: ignore[misc]  # pika has no types
    """Properties that may be unreadable, e.g. for a timestamp beyond the year 9999.

    pika would raise out of whatever it was doing, and again at each look: the message could never be got, and
    none behind it.
    """

    problem: str | None = None

    def decode(self, encoded: bytes, offset: int = 0) -> BasicProperties:
        """Decode, or keep nothing but why that was not possible."""
        try:
            return super().decode(encoded, offset)
        except Exception as error:  # noqa: BLE001  # pika passes on whatever struct and datetime raise
            self.__init__()  # type: ignore[misc]  # nothing half-read
            self.problem = f"properties: can't be read ({error}); write headers that AMQP 0-9-1 defines"
            return self


# pika looks its classes up here, and has no other place to say so. Nothing else in this process uses it.
props[BasicProperties.INDEX] = _Properties


class QueueUnreachable(TollwayError):
    """The broker can't be reached, or refuses what is needed."""


class QueueTaken(QueueUnreachable):
    """Another session reads the queue."""


class RabbitSession:
    """Reads `queue`, made as pika's bare `queue_declare` does where there is none. Only one session may.

    What can't be read goes to `QUEUE.dead`, which is durable, with the reason in `x-tollway-reason`.

    Raises, here and in each method:
        QueueUnreachable: what was got and isn't acknowledged will come again.
    """

    def __init__(self, url: str, queue: str) -> None:
        self._queue = queue
        self._last_tag = 0
        self._lost = False
        with _told():
            self._connection = _connect(url)
        try:
            with _told():
                _declare(self._connection, queue, durable=False)
                _declare(self._connection, f"{queue}.dead", durable=True)
                self._channel = self._connection.channel()
                self._lock()
                self._dead = self._connection.channel()
                self._dead.confirm_delivery()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self) -> Delivery | None:
        """See `QueueSession.get`."""
        with _told():
            if self._lost:
                raise QueueUnreachable(f"the right to read {self._queue} was taken away")
            method, properties, body = self._channel.basic_get(self._queue)
        if method is None:
            return None
        self._last_tag = method.delivery_tag
        source, message_id = _identity(properties, self._queue)
        problem = getattr(properties, "problem", None)
        return Delivery(body, method.redelivered, source, message_id, properties, problem)

    def bury(self, delivery: Delivery, reason: str) -> None:
        """See `QueueSession.bury`."""
        given = delivery.envelope
        kept = given if _size(given) <= _LARGEST_PROPERTIES else BasicProperties()
        headers = {**(kept.headers or {}), "x-tollway-reason": reason, "x-tollway-queue": self._queue}
        properties = BasicProperties(
            headers=headers,
            content_type=kept.content_type,
            message_id=kept.message_id,
            app_id=kept.app_id,
            delivery_mode=2,
        )
        with _told():
            self._dead.basic_publish("", f"{self._queue}.dead", delivery.body, properties, mandatory=True)

    def acknowledge(self) -> None:
        """See `QueueSession.acknowledge`."""
        with _told():
            self._channel.basic_ack(self._last_tag, multiple=True)
            # The queue answers this only after it has handled that.
            self._channel.queue_declare(self._queue, passive=True)

    def idle(self, seconds: float) -> None:
        """See `QueueSession.idle`."""
        with _told():
            self._connection.process_data_events(seconds)

    def close(self) -> None:
        """End the connection."""
        with suppress(AMQPError, OSError):
            self._connection.close()

    def _lock(self) -> None:
        """Become the one that reads.

        The right is held by the same channel: once a successor gets it, the broker has begun to put back what
        this channel had not acknowledged, before anything that the successor may ask for.
        """
        lock = f"tollway.intake.{self._queue}"
        _declare(self._connection, lock, durable=False)
        self._channel.add_on_cancel_callback(self._lose)
        try:
            self._channel.basic_consume(lock, _ignore, exclusive=True)
        except ChannelClosedByBroker as refused:
            if refused.reply_code == _ACCESS_REFUSED and "exclusive" in refused.reply_text:
                raise QueueTaken(f"another worker reads {self._queue}") from None
            raise

    def _lose(self, _: Any) -> None:
        self._lost = True


def waiting(url: str, queue: str) -> int | None:
    """Return how many messages wait in a queue, None if there is no such queue.

    Raises:
        QueueUnreachable: the broker can't be asked.
    """
    with _told():
        connection = _connect(url)
        try:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
        except ChannelClosedByBroker as refused:
            if refused.reply_code == _NOT_FOUND:
                return None
            raise
        finally:
            with suppress(AMQPError):
                connection.close()


def _connect(url: str) -> pika.BlockingConnection:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = _HEARTBEAT_SECONDS
    parameters.socket_timeout = parameters.stack_timeout = _TIMEOUT_SECONDS
    parameters.blocked_connection_timeout = _TIMEOUT_SECONDS
    parameters.client_properties = {"connection_name": "tollway intake"}
    return pika.BlockingConnection(parameters)


def _declare(connection: pika.BlockingConnection, queue: str, *, durable: bool) -> None:
    """Take the queue as it is; make it only where there is none."""
    try:
        connection.channel().queue_declare(queue, passive=True)
    except ChannelClosedByBroker as refused:
        if refused.reply_code != _NOT_FOUND:
            raise
        connection.channel().queue_declare(queue, durable=durable)


def _size(properties: BasicProperties) -> int:
    """Return how many bytes the properties take on the wire; endless where pika can't write what it read."""
    try:
        return sum(map(len, properties.encode()))
    except (AMQPError, ValueError, ArithmeticError, struct.error, AssertionError):
        return sys.maxsize


def _identity(properties: BasicProperties, queue: str) -> tuple[Any, Any]:
    """Return source and id: a CloudEvent's in its headers, else the message's own, which may have none."""
    headers = properties.headers or {}
    for prefix in ("cloudEvents:", "cloudEvents_"):
        if f"{prefix}id" in headers:
            return headers.get(f"{prefix}source", queue), headers[f"{prefix}id"]
    source = f"{queue}/{properties.app_id}" if properties.app_id else queue
    return source, properties.message_id


def _ignore(_channel: BlockingChannel, _method: Any, _properties: Any, _body: bytes) -> None:
    """Nothing comes by the queue that stands for the right to read."""


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (AMQPError, OSError) as error:
        # Some of pika's errors have no text.
        raise QueueUnreachable(f"RabbitMQ: {str(error) or type(error).__name__}") from error
