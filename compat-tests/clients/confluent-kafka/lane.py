"""confluent-kafka as an application would use it."""

import os
import signal
import subprocess
import sys
import time

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from checks import check, equal, run, unique, until

ADDRESS = os.environ.get("BRAID_KAFKA", "127.0.0.1:9092")
WAIT = 20

admin = AdminClient({"bootstrap.servers": ADDRESS})


def topic(prefix, partitions=1, **config):
    name = unique(prefix)
    new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
    admin.create_topics([new])[name].result(WAIT)
    return name


def produce(name, values, partition=0, **settings):
    """Sends all, waits for all: the offsets as they were reported, in order."""
    config = {key.replace("_", "."): value for key, value in settings.items()}
    producer = Producer({"bootstrap.servers": ADDRESS, "linger.ms": 5, **config})
    offsets, errors = [], []

    def delivered(error, message):
        errors.append(error) if error else offsets.append(message.offset())

    for value in values:
        producer.produce(name, value, partition=partition, on_delivery=delivered)
        producer.poll(0)
    equal(producer.flush(WAIT), 0, "not flushed")
    equal(errors, [], "errors")
    return offsets


def consumer(group=None, **settings):
    config = {key.replace("_", "."): value for key, value in settings.items()}
    return Consumer(
        {
            "bootstrap.servers": ADDRESS,
            "group.id": group or unique("reader"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 300,
            **config,
        }
    )


def receive(reader, count, seconds=WAIT):
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        assert time.monotonic() < deadline, f"{len(messages)} of {count} records"
        message = reader.poll(0.5)
        if message is not None:
            assert not message.error(), message.error()
            messages.append(message)
    return messages


def read(name, count, partitions=1):
    reader = consumer()
    reader.assign([TopicPartition(name, index, 0) for index in range(partitions)])
    messages = receive(reader, count)
    reader.close()
    return messages


def code_of(future):
    try:
        future.result(WAIT)
    except KafkaException as error:
        return error.args[0].name()
    return None


@check("topics are created, listed, described and deleted")
def topics():
    name = topic("topics", 3)

    listed = admin.list_topics(timeout=WAIT)
    equal(len(listed.topics[name].partitions), 3)
    again = NewTopic(name, num_partitions=1, replication_factor=1)
    equal(code_of(admin.create_topics([again])[name]), "TOPIC_ALREADY_EXISTS")
    admin.delete_topics([name])[name].result(WAIT)
    until("the topic is gone", lambda: name not in admin.list_topics(timeout=WAIT).topics)
    equal(code_of(admin.delete_topics([name])[name]), "UNKNOWN_TOPIC_OR_PART")


@check("the cluster is described")
def cluster():
    found = admin.describe_cluster().result(WAIT)

    assert found.cluster_id, "no cluster id"
    equal([f"{node.host}:{node.port}" for node in found.nodes], [ADDRESS])
    equal(found.controller.id, found.nodes[0].id)


def config_of(name):
    resource = ConfigResource(ResourceType.TOPIC, name)
    return admin.describe_configs([resource])[resource].result(WAIT)


@check("single settings are altered and deleted")
def incremental():
    name = topic("incremental", **{"retention.ms": "90000000"})

    def alter(*entries):
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=list(entries))
        return admin.incremental_alter_configs([resource])[resource]

    operation = AlterConfigOpType
    set_size = ConfigEntry("max.message.bytes", "2000000", incremental_operation=operation.SET)
    alter(set_size).result(WAIT)
    until("set", lambda: config_of(name)["max.message.bytes"].value == "2000000")
    equal(config_of(name)["retention.ms"].value, "90000000", "the other setting")
    delete = ConfigEntry("retention.ms", None, incremental_operation=operation.DELETE)
    alter(delete).result(WAIT)
    until("deleted", lambda: config_of(name)["retention.ms"].value == "604800000")
    wrong = ConfigEntry("retention.ms", "soon", incremental_operation=operation.SET)
    equal(code_of(alter(wrong)), "INVALID_CONFIG")


@check("offsets are listed by position and by time")
def list_offsets():
    name = topic("list-offsets")
    produce(name, [str(index) for index in range(10)])
    at = TopicPartition(name, 0)

    def listed(spec):
        return admin.list_offsets({at: spec})[at].result(WAIT).offset

    equal(listed(OffsetSpec.earliest()), 0)
    equal(listed(OffsetSpec.latest()), 10)
    equal(listed(OffsetSpec.for_timestamp(1000)), 0)
    equal(listed(OffsetSpec.for_timestamp(4_000_000_000_000)), -1)


@check("every codec, with and without idempotence, comes back")
def codecs():
    values = [f"value {index} ".encode() * (index % 50) for index in range(500)]
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        for idempotent in [True, False]:
            name = topic(f"codec-{codec}")
            offsets = produce(
                name, values, compression_type=codec, enable_idempotence=idempotent
            )
            equal(offsets, list(range(500)), codec)
            messages = read(name, 500)
            equal([message.value() or b"" for message in messages], values, codec)
            equal([message.offset() for message in messages], offsets, codec)


@check("keys, headers and times come back")
def whole_records():
    name = topic("whole-records")
    producer = Producer({"bootstrap.servers": ADDRESS})
    headers = [("a", b"1"), ("a", None), ("größe", b"\x00\xff")]
    producer.produce(name, b"v", key=b"\x00k", headers=headers, timestamp=1_600_000_000_123)
    producer.produce(name, None, key=None)
    equal(producer.flush(WAIT), 0)

    first, second = read(name, 2)

    equal((first.key(), first.value(), first.headers()), (b"\x00k", b"v", headers))
    equal(first.timestamp()[1], 1_600_000_000_123)
    equal((second.key(), second.value(), second.headers()), (None, None, None))


@check("a transactional producer is told that there are no transactions yet")
def transactions():
    producer = Producer({"bootstrap.servers": ADDRESS, "transactional.id": unique("txn")})

    try:
        producer.init_transactions(10)
    except KafkaException as error:
        equal(error.args[0].name(), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED")
        return
    # A later braid, or another server, has transactions: then they must work.
    name = topic("transactions")
    producer.begin_transaction()
    producer.produce(name, b"committed")
    producer.commit_transaction(WAIT)
    equal([message.value() for message in read(name, 1)], [b"committed"])


@check("commits survive the consumer, with metadata")
def commits():
    name, group = topic("commits"), unique("commits")
    produce(name, ["a", "b", "c"])
    first = consumer(group)
    first.subscribe([name])
    receive(first, 3)
    first.commit(offsets=[TopicPartition(name, 0, 2, "two read")], asynchronous=False)
    first.close()

    second = consumer(group)
    found = second.committed([TopicPartition(name, 0)], timeout=WAIT)[0]
    equal((found.offset, found.metadata), (2, "two read"))
    second.subscribe([name])
    equal(receive(second, 1)[0].value(), b"c")
    second.close()


@check("groups are listed, described, altered and deleted by the admin client")
def groups():
    name, group = topic("groups", 2), unique("groups")
    member = consumer(group, client_id="the-member")
    member.subscribe([name])
    produce(name, ["x"])
    receive(member, 1)
    member.commit(asynchronous=False)

    found = admin.describe_consumer_groups([group])[group].result(WAIT)
    equal(found.state, ConsumerGroupState.STABLE)
    equal([one.client_id for one in found.members], ["the-member"])
    equal(len(found.members[0].assignment.topic_partitions), 2)
    listed = admin.list_consumer_groups().result(WAIT).valid
    assert group in [one.group_id for one in listed], listed
    equal(code_of(admin.delete_consumer_groups([group])[group]), "NON_EMPTY_GROUP")
    member.close()

    def state():
        return admin.describe_consumer_groups([group])[group].result(WAIT).state

    until("the group is empty", lambda: state() == ConsumerGroupState.EMPTY)
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 0)])
    admin.alter_consumer_group_offsets([moved])[group].result(WAIT)
    asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0)])]
    found = admin.list_consumer_group_offsets(asked)[group].result(WAIT)
    equal(found.topic_partitions[0].offset, 0)
    admin.delete_consumer_groups([group])[group].result(WAIT)
    reader = consumer(group)
    gone = reader.committed([TopicPartition(name, 0)], timeout=WAIT)[0]
    equal(gone.offset, OFFSET_INVALID)


@check("a member that dies is replaced once its session has ended")
def killed_member():
    name, group = topic("killed-member", 4), unique("killed-member")
    for partition in range(4):
        produce(name, [f"before-{partition}"], partition)
    arguments = [sys.executable, __file__, "member", group, name]
    victim = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        seen = [victim.stdout.readline().strip() for _ in range(4)]
        equal(sorted(seen), [f"before-{index}" for index in range(4)])
        heir = consumer(group, session_timeout_ms=6000)
        heir.subscribe([name])
        until("the heir has its half", lambda: heir.poll(0.2) or len(heir.assignment()) == 2)
        victim.send_signal(signal.SIGKILL)
        victim.wait(WAIT)
        for partition in range(4):
            produce(name, [f"after-{partition}"], partition)
        values = set()
        deadline = time.monotonic() + 30
        while len([value for value in values if value.startswith(b"after")]) < 4:
            assert time.monotonic() < deadline, values
            message = heir.poll(0.5)
            if message is not None and not message.error():
                values.add(message.value())
        equal(len(heir.assignment()), 4, "partitions of the heir")
        heir.close()
    finally:
        victim.kill()


def be_member(group, name):
    """A member as a process of its own, to be killed: prints what it reads and commits it."""
    member = consumer(group, session_timeout_ms=6000)
    member.subscribe([name])
    while True:
        message = member.poll(1)
        if message is not None and not message.error():
            print(message.value().decode(), flush=True)
            member.commit(asynchronous=False)


if sys.argv[1:2] == ["member"]:
    be_member(*sys.argv[2:])
run("confluent-kafka")
