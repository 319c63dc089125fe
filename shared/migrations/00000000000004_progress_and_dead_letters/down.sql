DROP TABLE refetches;
DROP TABLE outbox;
DROP TABLE dead_letters;
DROP TABLE log_holes;
DROP TABLE partition_progress;
