#!/usr/bin/env bash
# Java's kafka-clients against the server at BRAID_KAFKA; arguments select checks by parts of their names.
set -eu
cd "$(dirname "$0")"
if ! command -v javac >/dev/null || ! command -v mvn >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update --quiet &&
    apt-get install --yes --quiet --no-install-recommends default-jdk-headless maven; } >/dev/null
fi
mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=target/libs
javac -Xlint:all -d target/classes -cp 'target/libs/*' src/Lane.java
exec java -Xmx512m -cp 'target/classes:target/libs/*' Lane "$@"
