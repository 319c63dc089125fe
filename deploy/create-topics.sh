#!/bin/bash
# Creates Bookend's topics; a topic that is already there is left as it is (the services check it
# at their start and refuse one that does not fit).
#
# Variables: KAFKA_BROKERS (required), EVENTS_TOPIC, DEAD_TOPIC, BOOKINGS_TOPIC,
# STATS_TOPIC, EVENTS_PARTITIONS (12), REPLICATION_FACTOR (3), MIN_ISR (2), KAFKA_BIN (/opt/kafka/bin).
set -euo pipefail
: "${KAFKA_BROKERS:?host:port[,host:port]}"
partitions="${EVENTS_PARTITIONS:-12}"
replicas="${REPLICATION_FACTOR:-3}"
min_isr="${MIN_ISR:-2}"
topics_sh="${KAFKA_BIN:-/opt/kafka/bin}/kafka-topics.sh"

# What the services' producers may send (shared/src/kafka/options.rs): they refuse a smaller topic.
max_message_bytes=4194304
days() { echo "$(($1 * 24 * 60 * 60 * 1000))"; }

create() {
  local topic="$1" retention_ms="$2" partitions="${3:-$partitions}"
  "$topics_sh" --bootstrap-server "$KAFKA_BROKERS" --create --if-not-exists \
    --topic "$topic" --partitions "$partitions" --replication-factor "$replicas" \
    --config cleanup.policy=delete \
    --config retention.ms="$retention_ms" \
    --config retention.bytes=-1 \
    --config max.message.bytes="$max_message_bytes" \
    --config min.insync.replicas="$min_isr" \
    --config unclean.leader.election.enable=false
}

# As long as Stripe lists events (30 days) and a little more.
create "${EVENTS_TOPIC:-stripe.events}" "$(days 35)"
# Long: what nobody could read is evidence.
create "${DEAD_TOPIC:-stripe.events.dead}" "$(days 365)"
create "${BOOKINGS_TOPIC:-booking.events}" "$(days 35)"
# One record a minute from each ingestor: evidence about as many days as Stripe lists.
create "${STATS_TOPIC:-ingestor.stats}" "$(days 35)" 1
