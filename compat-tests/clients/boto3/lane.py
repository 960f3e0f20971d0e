"""boto3 as an application would use it: waiters, paginators, puts, iterators, errors."""

import datetime
import hashlib
import os
import time

import boto3
from botocore.config import Config

from checks import check, equal, run, unique, until

client = boto3.client(
    "kinesis",
    endpoint_url=os.environ.get("BRAID_KINESIS", "http://127.0.0.1:4566"),
    region_name="us-east-1",
    aws_access_key_id="AKIDEXAMPLE",
    aws_secret_access_key="secret",
    config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
)


def stream(prefix, shards=1):
    name = unique(prefix)
    client.create_stream(StreamName=name, ShardCount=shards)
    waiter = client.get_waiter("stream_exists")
    waiter.wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return name


def shard_id(index):
    return f"shardId-{index:012d}"


def read(name, shard, count, limit=10_000, **start):
    """Follows an iterator until it has given exactly `count` records and is at the tip."""
    start = start or {"ShardIteratorType": "TRIM_HORIZON"}
    answer = client.get_shard_iterator(StreamName=name, ShardId=shard, **start)
    iterator, records = answer["ShardIterator"], []

    def enough():
        nonlocal iterator
        answer = client.get_records(ShardIterator=iterator, Limit=limit)
        iterator = answer["NextShardIterator"]
        records.extend(answer["Records"])
        return len(records) >= count and answer["MillisBehindLatest"] == 0

    until(f"{count} records of {name}", enough)
    equal(len(records), count, "records")
    return records


def refused(code, call, **arguments):
    """Fails unless the call raises botocore's class of that name; gives its text."""
    try:
        call(**arguments)
    except getattr(client.exceptions, code, client.exceptions.ClientError) as error:
        equal(error.response["Error"]["Code"], code)
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        return error.response["Error"]["Message"]
    raise AssertionError(f"accepted, where {code} was expected")


@check("a created stream is described")
def described():
    name = stream("described", 2)

    found = client.describe_stream(StreamName=name)["StreamDescription"]

    equal(found["StreamStatus"], "ACTIVE")
    equal([shard["ShardId"] for shard in found["Shards"]], [shard_id(0), shard_id(1)])
    equal(found["HasMoreShards"], False)
    equal(found["RetentionPeriodHours"], 24)
    equal(found["EncryptionType"], "NONE")
    equal(found["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
    equal(found["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
    age = datetime.datetime.now(datetime.timezone.utc) - found["StreamCreationTimestamp"]
    assert abs(age.total_seconds()) < 60, age
    summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    equal(summary["OpenShardCount"], 2)
    equal(summary["StreamARN"], found["StreamARN"])


@check("paginators list every stream and shard once")
def paginators():
    names = [stream("paged") for _ in range(3)] + [stream("paged", 5)]

    pages = client.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2})
    listed = [name for page in pages for name in page["StreamNames"]]
    equal(listed, sorted(set(listed)), "order")
    assert set(names) <= set(listed), listed
    # botocore's own paginator of ListShards sends StreamName with NextToken, which the service refuses.
    answer = client.list_shards(StreamName=names[3], MaxResults=2)
    shards = [shard["ShardId"] for shard in answer["Shards"]]
    while "NextToken" in answer:
        answer = client.list_shards(NextToken=answer["NextToken"], MaxResults=2)
        shards += [shard["ShardId"] for shard in answer["Shards"]]
    equal(shards, [shard_id(index) for index in range(5)])
    pages = client.get_paginator("describe_stream").paginate(
        StreamName=names[3], PaginationConfig={"PageSize": 2}
    )
    shards = [s["ShardId"] for page in pages for s in page["StreamDescription"]["Shards"]]
    equal(shards, [shard_id(index) for index in range(5)])


@check("single puts come back in order with their numbers")
def put_record():
    name = stream("put-record")
    given = [(f"größe-{index}", bytes([index]) * index) for index in range(30)]

    numbers = []
    for key, data in given:
        answer = client.put_record(StreamName=name, PartitionKey=key, Data=data)
        equal(answer["ShardId"], shard_id(0))
        numbers.append(int(answer["SequenceNumber"]))

    records = read(name, shard_id(0), 30, limit=7)
    equal([(record["PartitionKey"], record["Data"]) for record in records], given)
    equal([int(record["SequenceNumber"]) for record in records], numbers)
    equal(numbers, sorted(set(numbers)), "numbers")


@check("batches are routed by MD5 and keep their order")
def put_records():
    name = stream("put-records", 4)
    keys = [f"key-{index}" for index in range(200)]

    records = [{"PartitionKey": key, "Data": key.encode() * 3} for key in keys]
    answer = client.put_records(StreamName=name, Records=records)

    equal(answer["FailedRecordCount"], 0)
    assert all("ErrorCode" not in entry for entry in answer["Records"]), "an error code"
    by_shard = {shard_id(index): [] for index in range(4)}
    for key, entry in zip(keys, answer["Records"], strict=True):
        hashed = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        equal(entry["ShardId"], shard_id(hashed * 4 >> 128), key)
        by_shard[entry["ShardId"]].append((entry["SequenceNumber"], key))
    for shard, expected in by_shard.items():
        found = read(name, shard, len(expected))
        equal([(r["SequenceNumber"], r["PartitionKey"]) for r in found], expected, shard)
        assert all(r["Data"] == r["PartitionKey"].encode() * 3 for r in found), "data"


@check("iterators of all five types")
def iterators():
    name = stream("iterators")
    for batch in range(3):
        records = [{"PartitionKey": "k", "Data": f"{batch}-{i}".encode()} for i in range(4)]
        client.put_records(StreamName=name, Records=records)
        # Arrivals are compared in milliseconds, so batches must not share one.
        time.sleep(0.005)
    everything = read(name, shard_id(0), 12)
    middle = everything[5]["SequenceNumber"]

    at = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": middle}
    equal(read(name, shard_id(0), 7, **at), everything[5:], "at")
    after = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": middle}
    equal(read(name, shard_id(0), 6, **after), everything[6:], "after")
    arrival = everything[8]["ApproximateArrivalTimestamp"]
    time_type = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": arrival}
    equal(read(name, shard_id(0), 4, **time_type), everything[8:], "time")
    latest = client.get_shard_iterator(
        StreamName=name, ShardId=shard_id(0), ShardIteratorType="LATEST"
    )
    client.put_record(StreamName=name, PartitionKey="k", Data=b"late")
    found = client.get_records(ShardIterator=latest["ShardIterator"])
    equal([record["Data"] for record in found["Records"]], [b"late"])
    equal(found["MillisBehindLatest"], 0)


@check("empty and 1 MiB records pass")
def sizes():
    name = stream("sizes")
    given = [b"", b"\x00", bytes(range(256)), b"x" * (2**20 - 1)]

    for data in given:
        client.put_record(StreamName=name, PartitionKey="k", Data=data)

    equal([record["Data"] for record in read(name, shard_id(0), 4)], given)


@check("explicit hash keys and ordering numbers are accepted")
def explicit():
    name = stream("explicit", 2)

    first = client.put_record(
        StreamName=name, PartitionKey="k", Data=b"1", ExplicitHashKey=str(2**128 - 1)
    )
    second = client.put_record(
        StreamName=name,
        PartitionKey="k",
        Data=b"2",
        ExplicitHashKey=str(2**127),
        SequenceNumberForOrdering=first["SequenceNumber"],
    )

    equal([first["ShardId"], second["ShardId"]], [shard_id(1), shard_id(1)])
    assert int(second["SequenceNumber"]) > int(first["SequenceNumber"])


@check("errors are botocore's own classes with the service's texts")
def errors():
    name = stream("errors")
    missing = unique("missing")

    text = refused("ResourceNotFoundException", client.describe_stream, StreamName=missing)
    assert missing in text and text.endswith("not found."), text
    put = {"StreamName": missing, "PartitionKey": "k", "Data": b""}
    refused("ResourceNotFoundException", client.put_record, **put)
    text = refused("ResourceInUseException", client.create_stream, StreamName=name, ShardCount=1)
    assert text.endswith("already exists."), text
    text = refused("InvalidArgumentException", client.get_records, ShardIterator="AAAA")
    equal(text, "Invalid ShardIterator.")
    hashed = {"StreamName": name, "PartitionKey": "k", "Data": b"", "ExplicitHashKey": str(2**128)}
    refused("InvalidArgumentException", client.put_record, **hashed)
    shard = {"StreamName": name, "ShardId": shard_id(9), "ShardIteratorType": "LATEST"}
    refused("ResourceNotFoundException", client.get_shard_iterator, **shard)
    text = refused("ValidationException", client.create_stream, StreamName="a b", ShardCount=1)
    assert text.startswith("1 validation error detected: Value 'a b' at 'streamName'"), text
    key = {"StreamName": name, "PartitionKey": "k" * 257, "Data": b""}
    refused("ValidationException", client.put_record, **key)


@check("an operation of later issues is answered, not dropped")
def later():
    try:
        client.describe_limits()
    except client.exceptions.ClientError as error:
        equal(error.response["Error"]["Code"], "UnknownOperationException")


@check("a deleted stream is gone")
def deleted():
    name = stream("deleted")

    client.delete_stream(StreamName=name)

    waiter = client.get_waiter("stream_not_exists")
    waiter.wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    refused("ResourceNotFoundException", client.describe_stream_summary, StreamName=name)


@check("every answer has a request id, a date and its content type")
def metadata():
    answer = client.list_streams()["ResponseMetadata"]

    headers = answer["HTTPHeaders"]
    equal(answer["HTTPStatusCode"], 200)
    equal(headers["content-type"], "application/x-amz-json-1.1")
    assert answer["RequestId"] and headers["date"], headers


run("boto3")
