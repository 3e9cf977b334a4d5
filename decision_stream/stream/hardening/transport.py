"""The transport that brings our consumer and producer into a Faust app."""

from faust.transport.drivers import aiokafka as driver

from .batches import BatchConsumer
from .consumer import SafeConsumer
from .producer import OrderedProducer


class BatchTransport(driver.Transport):
    """Batches through the stream's queue: the way that is used."""

    Consumer = BatchConsumer
    Producer = OrderedProducer


class EventTransport(driver.Transport):
    """Faust's own events, one per record: slower, kept to tell a fault of the batches from one of the rest."""

    Consumer = SafeConsumer
    Producer = OrderedProducer
