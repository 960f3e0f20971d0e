#!/usr/bin/env bash
# Debian's kcat against the server at BRAID_KAFKA.
set -eu
if ! command -v kcat >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get install --yes --quiet --no-install-recommends kcat >/dev/null 2>&1 ||
    { apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends kcat; } >/dev/null
fi

broker=${BRAID_KAFKA:-127.0.0.1:9092}
topic=kcat-$$
checks=0
failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/kcat.XXXXXX")
trap 'rm -rf "$work"' EXIT

kc() {
  timeout 40 kcat -b "$broker" -q "$@"
}

# check SENTENCE EXPECTED COMMAND...: the command's output, with its errors, must match.
check() {
  local sentence=$1 expected=$2 found
  shift 2
  checks=$((checks + 1))
  found=$("$@" 2>&1) || found+=" (exit $?)"
  if [[ $found =~ ^$expected$ ]]; then
    echo "ok    $sentence"
  else
    failed=$((failed + 1))
    echo "FAIL  $sentence: ${found:0:2000}"
    echo "      expected: ${expected:0:500}"
  fi
}

# produce TOPIC LINES OPTIONS...: says nothing unless something fails.
produce() {
  local to=$1 lines=$2
  shift 2
  printf '%s\n' "$lines" | kc -P -t "$to" "$@"
}

consume() {
  kc -C -t "$1" -o beginning -e "${@:2}"
}

numbers() { seq 1 "$1"; }

check 'the broker and its address are listed' ".*broker [0-9]+ at $broker.*" kc -L
check 'a first record creates its topic' '' produce "$topic" $'first'
check 'the topic is listed with one partition' ".*topic \"$topic\" with 1 partitions:.*" \
  kc -L -t "$topic"
check 'the record is read' 'first' consume "$topic"

for codec in none gzip snappy lz4 zstd; do
  check "1000 records of codec $codec are produced" '' \
    produce "$topic-$codec" "$(numbers 1000)" -z "$codec" -X linger.ms=20
  check "1000 records of codec $codec are read in order" "$(numbers 1000)" \
    consume "$topic-$codec"
done

check 'keys, headers and offsets are told' $'0 k1 v1 h=1\n1 k2 v2 h=1' bash -c "
  printf 'k1:v1\nk2:v2\n' | timeout 40 kcat -b $broker -q -P -t $topic-keys -K: -H h=1 &&
  timeout 40 kcat -b $broker -q -C -t $topic-keys -o beginning -e -f '%o %k %s %h\n'"
check 'an empty value is a tombstone with -Z' '1:-1' bash -c "
  printf 'gone:\n' | timeout 40 kcat -b $broker -q -P -t $topic-null -K: -Z &&
  timeout 40 kcat -b $broker -q -C -t $topic-null -o beginning -e -Z -f '1:%S'"
check 'an idempotent producer is served' $'a\nb' bash -c "
  printf 'a\nb\n' | timeout 40 kcat -b $broker -q -P -t $topic-idem -X enable.idempotence=true &&
  timeout 40 kcat -b $broker -q -C -t $topic-idem -o beginning -e"
for acks in 0 1 -1; do
  check "acks=$acks keeps records" $'x\ny' bash -c "
    printf 'x\ny\n' | timeout 40 kcat -b $broker -q -P -t $topic-acks$acks -X acks=$acks &&
    timeout 40 kcat -b $broker -q -C -t $topic-acks$acks -o beginning -c 2"
done

check 'reading starts at an offset' $'998\n999\n1000' kc -C -t "$topic-lz4" -o 997 -e
check 'reading starts from the end' $'999\n1000' kc -C -t "$topic-lz4" -o -2 -e
check 'a count ends reading' $'1\n2\n3' kc -C -t "$topic-gzip" -o beginning -c 3
check 'the offset of an early time is the first' ".*$topic-lz4 \[0\] offset 0.*" \
  kc -Q -t "$topic-lz4:0:1000"
check 'the offset of a late time is the end' ".*$topic-lz4 \[0\] offset -1.*" \
  kc -Q -t "$topic-lz4:0:4000000000000"
check 'reading between two times' "$(numbers 1000)" \
  kc -C -t "$topic-zstd" -o s@1000 -o e@4000000000000 -e
head -c 900000 /dev/zero | tr '\0' 'z' >"$work/large"
check 'a file of 900 kB is one record' 900000 bash -c "
  timeout 40 kcat -b $broker -q -P -t $topic-large $work/large &&
  timeout 40 kcat -b $broker -q -C -t $topic-large -o beginning -e -f '%S'"

group() {
  kc -G "$topic-group" -X auto.offset.reset=earliest -X session.timeout.ms=6000 "$@"
}
check 'a group reads everything once' "$(numbers 1000)" group -c 1000 "$topic-snappy"
check 'more records come' '' produce "$topic-snappy" $'1001\n1002'
check 'the group goes on where it was' $'1001\n1002' group -c 2 "$topic-snappy"

echo "kcat: $checks checks, $failed failed"
((failed == 0))
