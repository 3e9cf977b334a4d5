"""Which Kafka to use: an external one, an embedded Apache Kafka, or one in Docker; and the topics on it."""
