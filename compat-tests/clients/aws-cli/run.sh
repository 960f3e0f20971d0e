#!/usr/bin/env bash
# The aws command against the server at BRAID_KINESIS.
set -eu
cd "$(dirname "$0")"
[[ -x .venv/bin/python ]] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt

export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=secret AWS_DEFAULT_REGION=us-east-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_MAX_ATTEMPTS=1
unset AWS_PROFILE AWS_SESSION_TOKEN
endpoint=${BRAID_KINESIS:-http://127.0.0.1:4566}
name=cli-$$
checks=0
failed=0

kinesis() {
  timeout 60 .venv/bin/aws --endpoint-url "$endpoint" kinesis "$@"
}

# check SENTENCE EXPECTED COMMAND...: the command's output, with its errors, must match.
check() {
  local sentence=$1 expected=$2 found
  shift 2
  checks=$((checks + 1))
  found=$("$@" 2>&1) || true
  if [[ $found =~ ^$expected$ ]]; then
    echo "ok    $sentence"
  else
    failed=$((failed + 1))
    echo "FAIL  $sentence: $found"
    echo "      expected: $expected"
  fi
}

# The data of the records that an iterator of this kind gives, decoded, one a line.
read_from() {
  local iterator
  iterator=$(kinesis get-shard-iterator --stream-name "$name" --shard-id shardId-000000000000 \
    --query ShardIterator --output text --shard-iterator-type "$@")
  kinesis get-records --shard-iterator "$iterator" --query 'Records[].[Data]' --output text |
    while read -r data; do base64 -d <<<"$data" && echo; done
}

check 'create-stream says nothing' '' kinesis create-stream --stream-name "$name" --shard-count 1
check 'wait stream-exists returns' '' kinesis wait stream-exists --stream-name "$name"
check 'describe-stream-summary shows one shard, active' $'ACTIVE\t1\t24' \
  kinesis describe-stream-summary --stream-name "$name" --output text \
  --query 'StreamDescriptionSummary.[StreamStatus,OpenShardCount,RetentionPeriodHours]'
check 'list-streams names it' "$name" \
  kinesis list-streams --output text --query "StreamNames[?@=='$name'] | [0]"
check 'list-shards shows the whole hash space' \
  $'shardId-000000000000\t0\t340282366920938463463374607431768211455' \
  kinesis list-shards --stream-name "$name" --output text \
  --query 'Shards[0].[ShardId,HashKeyRange.StartingHashKey,HashKeyRange.EndingHashKey]'
check 'put-record tells shard and 56 digits' $'shardId-000000000000\t[0-9]{56}' \
  kinesis put-record --stream-name "$name" --partition-key k \
  --data first --output text --query '[ShardId,SequenceNumber]'
second=$(kinesis put-record --stream-name "$name" --partition-key k --data second --output text \
  --query SequenceNumber) || true
check 'put-records fails no record' 0 \
  kinesis put-records --stream-name "$name" --output text --query FailedRecordCount \
  --records Data=third,PartitionKey=a Data=fourth,PartitionKey=b
check 'get-records from TRIM_HORIZON gives all, in order' $'first\nsecond\nthird\nfourth' \
  read_from TRIM_HORIZON
check 'get-records from AFTER_SEQUENCE_NUMBER gives the rest' $'third\nfourth' \
  read_from AFTER_SEQUENCE_NUMBER --starting-sequence-number "$second"
check 'get-records from AT_TIMESTAMP of long ago gives all' $'first\nsecond\nthird\nfourth' \
  read_from AT_TIMESTAMP --timestamp 1500000000
check 'get-records from LATEST gives nothing' '' read_from LATEST
check 'an unknown stream is told in the service'"'"'s words' \
  '.*\(ResourceNotFoundException\).*Stream no-such-stream under account [0-9]{12} not found\..*' \
  kinesis describe-stream --stream-name no-such-stream
check 'a second creation is refused' '.*\(ResourceInUseException\).* already exists\..*' \
  kinesis create-stream --stream-name "$name" --shard-count 1
check 'delete-stream says nothing' '' kinesis delete-stream --stream-name "$name"
check 'wait stream-not-exists returns' '' kinesis wait stream-not-exists --stream-name "$name"

echo "aws-cli: $checks checks, $failed failed"
((failed == 0))
